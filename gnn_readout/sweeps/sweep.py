"""Runs those runs of a sweep that have no complete record yet.

Every run is a process of its own in WORKDIR/NAME; the files there tell how far
it is, so that a sweep that was stopped at any moment resumes. An engine runs
the processes: `pool` on this machine, `slurm` on a cluster.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from gnn_readout import data, paths, programs
from gnn_readout.data import identity, sources
from gnn_readout.data.identity import differences
from gnn_readout.files import atomic_write_text, check_writable, read_text
from gnn_readout.runs import locks, same_data, settings
from gnn_readout.sweeps import pool, run_spec, slurm
from gnn_readout.sweeps.jobs import Engine, Hooks, Job
from gnn_readout.sweeps.run_spec import RunSpec, State
from gnn_readout.wording import counted


def run_sweep(
  runs: Sequence[RunSpec],
  workdir: str | os.PathLike[str],
  engine: Engine = pool.run_jobs,
  data_dir: str | None = None,
  cache_dir: str | None = None,
  records: str | os.PathLike[str] | None = None,
  sweep: str = "sweep",
) -> bool:
  """Runs what has no complete record yet.

  Args:
    runs: All runs of the sweep, of different names.
    workdir: The folder of the sweep.
    engine: Runs the processes; one at a time on this machine if not given.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    records: A folder for copies of all records, SWEEP_NAME.json; none are made
      without one.
    sweep: The first word of their names.

  Returns:
    Whether no run failed. Those that a signal stopped have not failed.

  Raises:
    ValueError: If another sweep is at work in the folder, the folder holds runs
      of other configs or of other data, or a dataset is unknown or damaged.
    OSError: If a file is missing or cannot be written.
  """
  workdir = pathlib.Path(workdir)
  check_writable(workdir)
  with locks.hold(workdir):
    states = {run.name: run_spec.state(run, workdir) for run in runs}
    copies = _copies(runs, records, sweep)
    begun = [run for run in runs if states[run.name] != State(False, 0)]
    _check_data(begun, workdir, copies, data_dir, cache_dir)
    return _run_rest(runs, states, workdir, engine, data_dir, cache_dir, copies)


def make_engine(
  workdir: str | os.PathLike[str],
  num_workers: int,
  cluster: Mapping[str, Any] | None = None,
) -> Engine:
  """Returns what runs the processes of a sweep.

  Args:
    workdir: The folder of the sweep.
    num_workers: Processes at a time, on this machine.
    cluster: The arguments of `slurm.Options`; None for this machine.
  """
  if cluster is None:
    return functools.partial(pool.run_jobs, num_workers=num_workers)
  options = slurm.Options(**cluster)
  folder = pathlib.Path(workdir)
  return functools.partial(slurm.run_jobs, options=options, folder=folder)


def print_commands(
  runs: Sequence[RunSpec],
  workdir: str | os.PathLike[str],
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> None:
  """Prints a line of a shell for each run that has no complete record yet.

  Args:
    runs: All runs of the sweep, of different names.
    workdir: The folder of the sweep; need not exist.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.

  Raises:
    ValueError: If the folder holds runs of other configs.
  """
  for run in runs:
    if not run_spec.state(run, workdir).is_done:
      job = _job(run, pathlib.Path(workdir).resolve(), data_dir, cache_dir)
      print(shlex.join(job.command))


def _run_rest(
  runs: Sequence[RunSpec],
  states: Mapping[str, State],
  workdir: pathlib.Path,
  engine: Engine,
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
    f"{counted(len(runs), 'run')} in {workdir}: {len(done)} done, {begun} to"
    f" resume, {len(rest) - begun} new",
    flush=True,
  )
  # Found missing, or converted, once and not by every run.
  for config in _by_dataset(rest):
    data.load_config(config, data_dir, cache_dir)
  outcome = engine(
    [_job(run, workdir, data_dir, cache_dir) for run in rest],
    Hooks(
      is_complete=lambda job: (
        run_spec.state(by_name[job.name], workdir).is_done
      ),
      saved_step=lambda job: run_spec.saved_step(job.folder),
      on_complete=lambda job: publish(job.name),
    ),
  )
  complete = len(done) + len(outcome.done)
  whole = counted(len(runs), "run")
  print(f"{complete} of {whole} complete, in {workdir}")
  for name, why in outcome.failed.items():
    print(f"failed  {name}  {why}")
  if outcome.signal:
    print(f"{outcome.signal}: stopped; the same command resumes")
    return True
  return not outcome.failed


def _check_data(
  runs: Sequence[RunSpec],
  workdir: pathlib.Path,
  copies: Mapping[str, Mapping[str, pathlib.Path]],
  data_dir: str | None,
  cache_dir: str | None,
) -> None:
  """Refuses runs, complete or begun, of other data than are there now."""
  configs = {
    (run.name, file): config
    for run in runs
    for file, config in run_spec.record_configs(run).items()
  }
  found = same_data.facts_now(
    [*configs.values()], "finished runs", data_dir, cache_dir
  )
  if found is None:
    return
  facts = dict(zip(configs, found, strict=True))
  same_data.check_records(
    (path, here)
    for (name, file), here in facts.items()
    for path in (workdir / name / file, copies[name].get(file))
    if path and path.exists()
  )
  for run in runs:
    files = run_spec.record_configs(run)
    if all((workdir / run.name / file).exists() for file in files):
      continue
    known = [facts[run.name, file] for file in files]
    for there in run_spec.datasets(workdir / run.name):
      # Which of the members it is of, only the run itself knows.
      if there and all(here and differences(there, here) for here in known):
        where = f"the checkpoint in {workdir / run.name}"
        identity.check(where, there, known[0], same_data.REMEDY)


def _job(
  run: RunSpec,
  workdir: pathlib.Path,
  data_dir: str | None,
  cache_dir: str | None,
) -> Job:
  """Returns the command that does a run, which is to be typed here."""
  folders = {
    "workdir": workdir / run.name,
    "data_dir": data_dir,
    "cache_dir": cache_dir,
  }
  words = [f"--{flag}={value}" for flag, value in folders.items() if value]
  command = [*programs.child("train"), *run.arguments, *words]
  return Job(run.name, command, workdir / run.name)


def _copies(
  runs: Sequence[RunSpec], folder: str | os.PathLike[str] | None, sweep: str
) -> dict[str, dict[str, pathlib.Path]]:
  """Returns, by name of a run and file of a record, where to copy it to.

  Refuses a folder in which such a file is of another config.
  """
  copies: dict[str, dict[str, pathlib.Path]] = {run.name: {} for run in runs}
  if folder is None:
    return copies
  check_writable(folder)
  for run in runs:
    for file, config in run_spec.record_configs(run).items():
      words = [sweep, run.name, pathlib.Path(file).parent.name]
      name = paths.part("_".join(filter(None, words)))
      copy = pathlib.Path(folder, f"{name}.json")
      if copy.exists():
        run_spec.check_record(copy, config)
      copies[run.name][file] = copy
  return copies


def _by_dataset(runs: Sequence[RunSpec]) -> list[ConfigDict]:
  """Returns a config for each dataset that the runs need; tasks draw theirs."""
  fields = sources.config_fields()
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
  text = read_text(record)
  name = json.loads(text)["name"]
  old, new = (f'"name": {json.dumps(word)}' for word in (name, target.stem))
  text = text.replace(old, new, 1)
  if not target.exists() or read_text(target) != text:
    atomic_write_text(target, text)
