"""What a training configuration must satisfy, and when two are the same run."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from gnn_readout import files, optimizers, options, tasks
from gnn_readout.config_fields import LENGTHS, from_data
from gnn_readout.data import sources
from gnn_readout.errors import quoted, suggest
from gnn_readout.fields import flatten
from gnn_readout.files import check_writable
from gnn_readout.readouts import readout_class
from gnn_readout.records import NON_RESULT_FIELDS
from gnn_readout.runs import processes

_LARGEST = 2**31 - 1  # Steps and keys are numbers of 32 bits.


def check(config: ConfigDict) -> None:
  """Refuses a configuration that cannot be trained, before any work is done.

  Args:
    config: As `configs/molpcba.py` makes it, or as `configs/median.py` does,
      with a `task`.

  Raises:
    ValueError: If a field is missing or has an impossible value; the message
      names it.
  """
  fields = flatten(config.to_dict())
  for name, value in fields.items():
    if isinstance(value, float) and not math.isfinite(value):
      raise ValueError(f"{name} must be finite, got {value}")
    if isinstance(value, int) and value > _LARGEST:
      raise ValueError(f"{name} must be at most {_LARGEST}, got {value}")
  options.check(fields)
  problem = tasks.problem_class(config)
  for name in problem.REQUIRED:
    if name not in fields:
      raise ValueError(f"the config has no field {name!r}")
  for name in problem.POSITIVE:
    if name in fields and not fields[name] > 0:
      raise ValueError(f"{name} must be positive, got {fields[name]}")
  for name in problem.NOT_NEGATIVE:
    if name in fields and not fields[name] >= 0:
      raise ValueError(f"{name} must not be negative, got {fields[name]}")
  schedule = fields.get("optimizer.schedule", "constant")
  if schedule not in problem.SCHEDULES:
    known = suggest(schedule, problem.SCHEDULES)
    raise ValueError(f"unknown optimizer.schedule {schedule!r}.{known}")
  if "model.readout.name" in fields:
    readout_class(fields["model.readout.name"])
  problem.check(fields)


def check_workdir(workdir: pathlib.Path, config: dict[str, Any]) -> None:
  """Refuses a folder that cannot be written or belongs to another run.

  Args:
    workdir: The folder of the run.
    config: The run's configuration, as JSON.

  Raises:
    ValueError: If the folder's config.json is of another configuration, which
      this one does not make longer.
    OSError: If the folder cannot be written.
  """
  try:
    str(workdir.absolute()).encode()
  except UnicodeEncodeError:  # Libraries that take paths as UTF-8 would fail.
    raise ValueError(
      f"workdir {quoted(str(workdir))} cannot be encoded in this locale: set"
      " PYTHONUTF8=1, or set LC_ALL to a UTF-8 locale"
    ) from None
  check_writable(workdir)
  file = workdir / "config.json"
  if file.exists():
    there = read_json(file)
    differ = differences(config, there)
    if differ and not is_longer(config, there):
      reason = _why_not_longer(config, there)
      if not _differing(config, there) & flatten(there).keys():
        reason = (
          ": it is of an earlier version, which had no such field. Go on with"
          " that version, or choose another --workdir"
        )
      raise ValueError(
        f"workdir {workdir} holds a run with {'; '.join(differ)}{reason}"
      )


def as_json(config: ConfigDict) -> dict[str, Any]:
  """Returns the configuration as it reads back from a JSON file.

  What a readout measures on the data, unless it is given, is there as None.
  """
  values = json.loads(json.dumps(config.to_dict()))
  for field in from_data(values):
    part, _, name = field.rpartition(".")
    functools.reduce(dict.__getitem__, part.split("."), values)[name] = None
  return values


def located(config: dict[str, Any]) -> dict[str, Any]:
  """Returns a configuration in which a dataset's path is a whole one.

  Args:
    config: Config as JSON.
  """
  return _with_path(config, os.path.abspath)


def without_folder(config: dict[str, Any]) -> dict[str, Any]:
  """Returns a configuration with no more of a dataset's path than its name.

  So it says nothing of this machine. Which data they are, their fingerprint
  says.

  Args:
    config: Config as JSON.
  """
  return _with_path(config, sources.short_name)


def _with_path(
  config: dict[str, Any], change: Callable[[str], str]
) -> dict[str, Any]:
  dataset = config.get("dataset")
  if isinstance(dataset, str) and sources.is_path(dataset):
    return {**config, "dataset": change(dataset)}
  return config


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Returns the object in a JSON file; ValueError names a damaged one."""
  try:
    return files.read_object(path)
  except ValueError as error:
    raise ValueError(f"{path} is damaged: {error}") from error


def read_config(path: pathlib.Path) -> ConfigDict:
  """Returns the configuration in a JSON file, once it is checked."""
  config = ConfigDict(read_json(path))
  try:
    check(config)
  except (TypeError, ValueError) as error:
    raise ValueError(f"{path} is damaged: {error}") from error
  return config


def write_config(folder: pathlib.Path, config: ConfigDict) -> None:
  """Writes FOLDER/config.json; of several processes, the first alone does.

  Args:
    folder: The folder of a run, or of a population.
    config: Its configuration, complete.
  """
  if not processes.is_first():
    return
  # It is read in other folders than this one, and by other processes.
  text = json.dumps(located(as_json(config)), indent=1)
  files.atomic_write_text(folder / "config.json", text + "\n")


def config_hash(config: dict[str, Any]) -> str:
  """Returns 12 hexadecimal digits, the same for runs with the same result."""
  text = json.dumps(_decisive(config), sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(here: dict[str, Any], there: dict[str, Any]) -> list[str]:
  """Lists the fields that make two configurations different runs.

  Args:
    here: A configuration, as JSON. What will be measured on the training set
      equals whatever was measured.
    there: Config of a run, as JSON, its measured values filled in.

  Returns:
    Words such as `seed=1, not 0`: what the run has, then what is asked for.
  """
  names = sorted(_differing(here, there))
  here, there = _decisive(here), _decisive(there)

  def words(name: str) -> str:
    if name not in there:
      return f"no {name}, not {here[name]!r}"
    if name not in here:
      return f"{name}={there[name]!r}, which is not a field here"
    return f"{name}={there[name]!r}, not {here[name]!r}"

  return [words(name) for name in names]


def _differing(here: dict[str, Any], there: dict[str, Any]) -> set[str]:
  """Returns the names of the fields that `differences` lists."""
  measured = set(from_data(here))
  here, there = _decisive(here), _decisive(there)
  return {
    name
    for name in here.keys() | there.keys()
    if name not in measured and here.get(name) != there.get(name)
  }


def is_longer(here: dict[str, Any], there: dict[str, Any]) -> bool:
  """Returns whether a configuration is another one with more steps.

  A run of that one can then resume as one of this.

  Args:
    here: A configuration, as JSON.
    there: Config of a run, as JSON.
  """
  return _differ_in_length(here, there) and not _why_not_longer(here, there)


def _differ_in_length(here: dict[str, Any], there: dict[str, Any]) -> bool:
  same = here | {name: there[name] for name in LENGTHS if name in there}
  return bool(differences(here, there)) and not differences(same, there)


def _why_not_longer(here: dict[str, Any], there: dict[str, Any]) -> str:
  """Returns words on why a run cannot get this length, '' if it can.

  Nor are there any where the configurations differ in more than that.
  """
  if not _differ_in_length(here, there):
    return ""
  schedule = flatten(here).get("optimizer.schedule", "constant")
  if schedule in optimizers.OF_LENGTH:
    return (
      f". Its length cannot be changed because the schedule {schedule!r}"
      " spreads over the whole run; choose another --workdir"
    )
  (unit, wanted), (unit_there, has) = _length(here), _length(there)
  if unit == unit_there and wanted > has:
    return ""
  return (
    f". A run can only be extended, by {unit_there} above {has:g}; choose"
    " another --workdir"
  )


def _length(config: dict[str, Any]) -> tuple[str, float]:
  """Returns the field that says how long a run is, and its value."""
  found = [name for name in LENGTHS if config.get(name, 0) > 0]
  name = (found or ["num_steps"])[0]
  return name, config.get(name, 0)


def _decisive(config: dict[str, Any]) -> dict[str, Any]:
  fields = flatten(without_folder(config))
  return {k: fields[k] for k in fields if k not in NON_RESULT_FIELDS}
