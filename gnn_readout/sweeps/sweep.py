"""The runs of a sweep: their names, how far each is, and doing the rest.

Every run is a process of its own in WORKDIR/NAME; what it leaves there says how
far it is, so that a sweep that was stopped at whatever moment goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gnn_readout import data
from gnn_readout.files import atomic_write_text, check_writable
from gnn_readout.runs import locks, settings
from gnn_readout.sweeps import pool as workers
from gnn_readout.training import members

_LONGEST_NAME = 160  # Names of files may have 255 bytes.


class Run(NamedTuple):
  """One run of a sweep.

  Attributes:
    name: That of its folder; the same whatever else the sweep holds.
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
  known = settings.flatten(config.to_dict())
  population = config.get("population", "").split()
  known |= dict(word.split("=", 1) for word in population)
  words = [variant or "default"]
  for field in fields:
    if field not in settings.HARMLESS:
      words.append(f"{_shortest(field, known)}={known[field]}")
  text = "-".join(words)
  name = re.sub(r"^[^A-Za-z0-9]|[^A-Za-z0-9._,=+-]", "_", text)[:_LONGEST_NAME]
  if name != text:  # Two texts may have become one name.
    name += f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
  return name


def state(run: Run, workdir: str | os.PathLike[str]) -> State:
  """Returns how far a run is.

  Args:
    run: The run.
    workdir: The folder of the sweep; need not exist.

  Raises:
    ValueError: If WORKDIR/NAME holds a run of another config, or what it holds
      is damaged.
  """
  folder = pathlib.Path(workdir, run.name)
  records = {folder / file: config for file, config in _records(run).items()}
  there = [record for record in records if record.exists()]
  for record in there:
    _refuse_another(records[record], _config_of(record), record)
  if (folder / "config.json").exists():
    saved = settings.read_json(folder / "config.json")
    _refuse_another(run.config, saved, folder / "config.json")
  return State(len(there) == len(records), _saved_step(folder))


def run_sweep(
  runs: Sequence[Run],
  workdir: str | os.PathLike[str],
  num_workers: int = 1,
  data_dir: str | None = None,
  cache_dir: str | None = None,
  records: str | os.PathLike[str] | None = None,
  sweep: str = "sweep",
) -> bool:
  """Runs what has no complete record yet.

  Args:
    runs: All runs of the sweep, of different names.
    workdir: The folder of the sweep.
    num_workers: Processes at a time.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    records: A folder for copies of all records, SWEEP_NAME.json; none are made
      without one.
    sweep: The first word of their names.

  Returns:
    Whether no run failed. Those that a signal stopped have not failed.

  Raises:
    ValueError: If another sweep is at work in the folder, the folder holds runs
      of other configs, or a dataset is unknown or damaged.
    OSError: If a file is missing or cannot be written.
  """
  workdir = pathlib.Path(workdir)
  check_writable(workdir)
  lock = locks.try_lock(workdir)
  if lock is None:
    raise ValueError(
      f"{locks.holder(workdir)} runs a sweep in {workdir}; wait for its end, or"
      " give this one another workdir"
    )
  try:
    states = {run.name: state(run, workdir) for run in runs}
    copies = _copies(runs, records, sweep)
    return _run_rest(
      runs, states, workdir, num_workers, data_dir, cache_dir, copies
    )
  finally:
    os.close(lock)


def _run_rest(
  runs: Sequence[Run],
  states: Mapping[str, State],
  workdir: pathlib.Path,
  num_workers: int,
  data_dir: str | None,
  cache_dir: str | None,
  copies: Mapping[str, Mapping[str, pathlib.Path]],
) -> bool:
  by_name = {run.name: run for run in runs}

  def publish(name: str) -> None:
    for file, copy in copies[name].items():
      _copy_record(workdir / name / file, copy)

  done = [run.name for run in runs if states[run.name].is_done]
  for name in done:
    publish(name)
  rest = [run for run in runs if not states[run.name].is_done]
  begun = sum(states[run.name].step > 0 for run in rest)
  print(
    f"{len(runs)} runs in {workdir}: {len(done)} done, {begun} to go on,"
    f" {len(rest) - begun} new",
    flush=True,
  )
  # Found missing, or converted, once and not by every run.
  for config in _by_dataset(rest):
    data.load_config(config, data_dir, cache_dir)
  flags = {"data_dir": data_dir, "cache_dir": cache_dir}
  shared = [f"--{flag}={value}" for flag, value in flags.items() if value]
  train = [sys.executable, "-m", "launch.train", *shared]
  outcome = workers.run_jobs(
    [
      workers.Job(
        run.name,
        [*train, *run.arguments, f"--workdir={workdir / run.name}"],
        workdir / run.name,
      )
      for run in rest
    ],
    num_workers,
    is_complete=lambda job: state(by_name[job.name], workdir).is_done,
    saved_step=lambda job: _saved_step(job.folder),
    on_complete=lambda job: publish(job.name),
  )
  complete = len(done) + len(outcome.done)
  print(f"{complete} of {len(runs)} runs complete, in {workdir}")
  for name, why in outcome.failed.items():
    print(f"failed  {name}  {why}")
  if outcome.signal:
    print(f"{outcome.signal}: stopped; the same command goes on")
    return True
  return not outcome.failed


def _shortest(field: str, known: Iterable[str]) -> str:
  """Returns the shortest end of a dotted name that no other field has."""
  parts = field.split(".")
  others = [name for name in known if name != field]
  for i in reversed(range(len(parts))):
    end = ".".join(parts[i:])
    if not any(f".{name}".endswith(f".{end}") for name in others):
      return end
  return field


def _records(run: Run) -> dict[str, ConfigDict]:
  """Returns the config of every record of a run, by its file in the folder."""
  names = members.names(run.config)  # One, and empty, without a population.
  files = [f"members/{x}/record.json" if x else "record.json" for x in names]
  return dict(zip(files, members.expand(run.config), strict=True))


def _copies(
  runs: Sequence[Run], folder: str | os.PathLike[str] | None, sweep: str
) -> dict[str, dict[str, pathlib.Path]]:
  """Returns, by name of a run and file of a record, where to copy it to.

  Refuses a folder in which such a file is of another config.
  """
  copies: dict[str, dict[str, pathlib.Path]] = {run.name: {} for run in runs}
  if folder is None:
    return copies
  check_writable(folder)
  for run in runs:
    for file, config in _records(run).items():
      words = [sweep, run.name, pathlib.Path(file).parent.name]
      copy = pathlib.Path(folder, "_".join(filter(None, words)) + ".json")
      if copy.exists():
        _refuse_another(config, _config_of(copy), copy)
      copies[run.name][file] = copy
  return copies


def _config_of(record: pathlib.Path) -> dict[str, Any]:
  """Returns the config in a record, which fits the hash beside it."""
  facts = settings.read_json(record)
  config = facts.get("config")
  whole = isinstance(config, dict) and "test" in facts
  if not whole or settings.config_hash(config) != facts.get("config_hash"):
    raise ValueError(
      f"{record} is damaged: it lacks a test result, or its config_hash is not"
      " that of its config; delete it to have it written again"
    )
  return config


def _refuse_another(
  here: ConfigDict, there: dict[str, Any], path: pathlib.Path
) -> None:
  differ = settings.differences(settings.as_json(here), there)
  if differ:
    raise ValueError(f"{path} is of another config; {'; '.join(differ)}")


def _saved_step(folder: pathlib.Path) -> int:
  # Read by name: orbax clears up whatever a run has not finished writing.
  total = 0
  for program in (folder, *folder.glob("programs/*")):
    latest = program / "checkpoints" / "latest"
    steps = [int(x.name) for x in latest.glob("*") if x.name.isdecimal()]
    total += max(steps, default=0)
  return total


def _by_dataset(runs: Sequence[Run]) -> list[ConfigDict]:
  """Returns a config for each dataset that the runs need; tasks draw theirs."""
  fields = ("dataset", "csv", "tu")
  configs = {}
  for run in runs:
    values = settings.as_json(run.config)
    if "task" in values:
      continue
    key = json.dumps([values.get(field) for field in fields])
    configs.setdefault(key, run.config)
  return list(configs.values())


def _copy_record(record: pathlib.Path, target: pathlib.Path) -> None:
  """Copies a record and calls it by the name of its new file.

  The figures of a report are named after it, so it must tell sweeps apart.
  """
  text = record.read_text()
  name = json.loads(text)["name"]
  old, new = (f'"name": {json.dumps(word)}' for word in (name, target.stem))
  text = text.replace(old, new, 1)
  if not target.exists() or target.read_text() != text:
    atomic_write_text(target, text)
