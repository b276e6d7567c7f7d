"""A run of a sweep: what it is called, what it leaves, and how far it is."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gnn_readout import paths
from gnn_readout.data import identity
from gnn_readout.fields import flatten
from gnn_readout.records import NON_RESULT_FIELDS
from gnn_readout.runs import checkpoints, settings
from gnn_readout.training import members


class RunSpec(NamedTuple):
  """One run of a sweep.

  Attributes:
    name: Name of its folder; the same whatever else the sweep holds.
    arguments: The flags of `launch.train` that make its config.
    config: The config that they make.
  """

  name: str
  arguments: Sequence[str]
  config: ConfigDict


class State(NamedTuple):
  """How far a run is.

  Attributes:
    is_done: Whether its record is there; of a population, every member's.
    step: The step of its last checkpoint, summed over the programs of a
      population; 0 if there is none.
  """

  is_done: bool
  step: int

  def __str__(self) -> str:
    if self.is_done:
      return "done"
    return f"from step {self.step:,}" if self.step else "new"


def run_name(variant: str, fields: Iterable[str], config: ConfigDict) -> str:
  """Returns such as `gcn,sum-learning_rate=0.001`, which can name a folder.

  Args:
    variant: The argument of `get_config`; may be empty.
    fields: Names of the fields that the sweep sets. Those that change nothing
      of the result are left out.
    config: The config of the run, which has their values; of what its
      population varies, all of them.
  """
  known = flatten(config.to_dict())
  population = config.get("population", "").split()
  known |= dict(word.split("=", 1) for word in population)
  words = [variant or "default"]
  for field in fields:
    if field not in NON_RESULT_FIELDS:
      words.append(f"{_shortest(field, known)}={known[field]}")
  return paths.made("-".join(words))


def state(run: RunSpec, workdir: str | os.PathLike[str]) -> State:
  """Returns how far a run is.

  Args:
    run: The run.
    workdir: The folder of the sweep; need not exist.

  Raises:
    ValueError: If WORKDIR/NAME holds a run of another config, or what it holds
      is damaged.
  """
  folder = pathlib.Path(workdir, run.name)
  records = record_configs(run)
  there = [file for file in records if (folder / file).exists()]
  shorter = 0
  for file in there:
    shorter += check_record(folder / file, records[file], may_be_shorter=True)
  if (folder / "config.json").exists():
    saved = settings.read_json(folder / "config.json")
    _check_same(folder / "config.json", saved, run.config, True)
  done = len(there) - shorter
  return State(done == len(records), saved_step(folder))


def record_configs(run: RunSpec) -> dict[str, ConfigDict]:
  """Returns the config of every record of a run, by its file in the folder."""
  names = members.names(run.config)  # One, and empty, without a population.
  files = [f"members/{x}/record.json" if x else "record.json" for x in names]
  return dict(zip(files, members.expand(run.config), strict=True))


def check_record(
  path: pathlib.Path, config: ConfigDict, may_be_shorter: bool = False
) -> bool:
  """Refuses a record that is damaged or of another config.

  Args:
    path: Path of the record.
    config: Config of the run.
    may_be_shorter: Whether it may be of the same run with fewer steps.

  Returns:
    Whether it is.

  Raises:
    ValueError: If that is so; the message names the file and the fields.
  """
  facts = settings.read_json(path)
  there = facts.get("config")
  is_whole = isinstance(there, dict) and "test" in facts
  if not is_whole or settings.config_hash(there) != facts.get("config_hash"):
    raise ValueError(
      f"{path} is damaged: it lacks a test result, or its config_hash is not"
      " that of its config; delete it and run the sweep again"
    )
  return _check_same(path, there, config, may_be_shorter)


def _check_same(
  path: pathlib.Path,
  there: dict[str, Any],
  config: ConfigDict,
  may_be_shorter: bool,
) -> bool:
  """Returns whether the config there is of the same run with fewer steps."""
  here = settings.as_json(config)
  differ = settings.differences(here, there)
  is_shorter = settings.is_longer(here, there)
  if differ and not (is_shorter and may_be_shorter):
    raise ValueError(
      f"{path} is the record of a run with {'; '.join(differ)}; choose another"
      " --workdir"
    )
  return is_shorter


def saved_step(folder: pathlib.Path) -> int:
  """Returns the step of the last checkpoint below a folder, 0 without one.

  Of a population, the sum over its programs.
  """
  return sum(_saved_steps(folder).values())


def datasets(folder: pathlib.Path) -> list[identity.Facts | None]:
  """Returns what identifies the datasets of the checkpoints below a folder."""
  found = []
  for program in _saved_steps(folder):
    # One that is damaged is for the run to tell of.
    with contextlib.suppress(ValueError):
      meta = checkpoints.read_meta(program)
      found += identity.of_checkpoint(meta or {})
  return found


def _saved_steps(folder: pathlib.Path) -> dict[pathlib.Path, int]:
  """Returns the step of the last checkpoint by the folder of its program."""
  # Read by name: orbax clears up whatever a run has not finished writing.
  found = {}
  for program in (folder, *folder.glob("programs/*")):
    latest = program / "checkpoints" / "latest"
    steps = [int(x.name) for x in latest.glob("*") if x.name.isdecimal()]
    if steps:
      found[program] = max(steps)
  return found


def _shortest(field: str, known: Iterable[str]) -> str:
  """Returns the shortest end of a dotted name that no other field has."""
  parts = field.split(".")
  others = [name for name in known if name != field]
  for i in reversed(range(len(parts))):
    end = ".".join(parts[i:])
    if not any(f".{name}".endswith(f".{end}") for name in others):
      return end
  return field
