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

from gnn_readout.files import atomic_write_text, check_writable
from gnn_readout.training import locks, settings, workers

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
    is_done: Whether its record is there.
    step: The step of its last checkpoint; 0 if there is none.
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
    config: The config of the run, which has their values.
  """
  known = settings.flatten(config.to_dict())
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
  here = settings.as_json(run.config)
  record = folder / "record.json"
  is_done = record.exists()
  if is_done:
    _refuse_another(here, _config_of(record), record)
  elif (folder / "config.json").exists():
    there = settings.read_json(folder / "config.json")
    _refuse_another(here, there, folder / "config.json")
  return State(is_done, _saved_step(folder))


def run_sweep(
  runs: Sequence[Run],
  workdir: str | os.PathLike[str],
  num_workers: int = 1,
  data_dir: str | None = None,
  cache_dir: str | None = None,
  records: Mapping[str, pathlib.Path] | None = None,
) -> bool:
  """Runs what has no complete record yet.

  Args:
    runs: All runs of the sweep, of different names.
    workdir: The folder of the sweep.
    num_workers: Processes at a time.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    records: By name of a run, where to copy its record to.

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
    return _run_locked(
      runs, workdir, num_workers, data_dir, cache_dir, records or {}
    )
  finally:
    os.close(lock)


def _run_locked(
  runs: Sequence[Run],
  workdir: pathlib.Path,
  num_workers: int,
  data_dir: str | None,
  cache_dir: str | None,
  records: Mapping[str, pathlib.Path],
) -> bool:
  states = {run.name: state(run, workdir) for run in runs}
  by_name = {run.name: run for run in runs}
  for name, target in records.items():
    check_writable(target.parent)
    if target.exists():
      here = settings.as_json(by_name[name].config)
      _refuse_another(here, _config_of(target), target)

  def publish(name: str) -> None:
    if name in records:
      _copy_record(workdir / name / "record.json", records[name])

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
  # Found missing, or converted, once and not by every run. Runs of one program
  # (`members.programs`) could become one job here, as a population.
  for config in _by_dataset(rest):
    settings.load_dataset(config, data_dir, cache_dir)
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
  here: dict[str, Any], there: dict[str, Any], path: pathlib.Path
) -> None:
  differ = settings.differences(here, there)
  if differ:
    raise ValueError(f"{path} is of another config; {'; '.join(differ)}")


def _saved_step(folder: pathlib.Path) -> int:
  # Read by name: orbax clears up whatever a run has not finished writing.
  latest = folder / "checkpoints" / "latest"
  steps = [int(x.name) for x in latest.glob("*") if x.name.isdecimal()]
  return max(steps, default=0)


def _by_dataset(runs: Sequence[Run]) -> list[ConfigDict]:
  """Returns a config for each dataset that the runs need."""
  fields = ("dataset", "csv", "tu")
  configs = {}
  for run in runs:
    values = settings.as_json(run.config)
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
