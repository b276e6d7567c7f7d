"""Training: from a config to the records of its runs. There is one trainer.

A config without a population is one run, whose folder is the work folder; with
one, each member gets the folder that it would have left alone, below
`members/`. Members that can share what is compiled are a program, and a
`Trainer` takes one program to its end: it restores, advances, logs, evaluates,
keeps the best, saves, and stops at a signal. A run that was stopped, at
whatever moment, ends with the same parameters as one that was not. Where
several processes train together, each runs the same trainer, and the first of
them alone writes.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gnn_readout import options, tasks
from gnn_readout.fields import flatten
from gnn_readout.runs import checkpoints, locks, processes, same_data, settings
from gnn_readout.runs.progress import ProgressLine
from gnn_readout.runs.signals import stop_signals
from gnn_readout.training import members as members_lib
from gnn_readout.training.loop import Trainer
from gnn_readout.training.program import group_by_program
from gnn_readout.training.snapshots import Member
from gnn_readout.wording import counted

_PROGRAMS = "programs"  # The folder of checkpoints of whole populations.


def train(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
  from_best: bool = False,
) -> list[dict[str, Any]] | None:
  """Trains what a config describes, or resumes where an earlier call stopped.

  A member whose loss or gradient stops being finite is given up, the others go
  on. A run that is complete resumes if the config is its own but for a greater
  length, and its learning rate does not depend on that.

  Args:
    config: Config as the files in `configs/` make it. Its `population`, if any,
      names fields and their values: "seed=0,1,2
      optimizer.learning_rate=1e-4,1e-3".
    workdir: The folder: config.json and, of every run, config.json,
      metrics.jsonl, tensorboard/, checkpoints/ and, once it is complete,
      record.json; in members/NAME/ if there is a population.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    command: What to type to repeat the run, for the records.
    from_best: Whether to resume from the best checkpoint, with new moments of
      the optimiser, if the latest one is damaged.

  Returns:
    The record of every run, or None if a signal stopped them.

  Raises:
    Damaged: If the latest checkpoint is damaged and `from_best` is
      not given, or does not help.
    ValueError: If the configuration, the dataset or what the folder already
      holds does not allow the runs, or no member is left.
    OSError: If a file is missing or cannot be written.
  """
  config = config.copy_and_resolve_references()  # It will be completed.
  configs = members_lib.expand(config)
  for each in (config, *configs):
    settings.check(each)
  workdir = pathlib.Path(workdir)
  processes.first(
    lambda: settings.check_workdir(workdir, settings.as_json(config))
  )
  names = members_lib.names(config)
  folders = [workdir / "members" / name if name else workdir for name in names]
  done = [folder / "record.json" for folder in folders]
  complete = _complete(done, configs)
  if complete:
    processes.in_turn(lambda: _check_data(done, configs, data_dir, cache_dir))
    if not any(checkpoints.damage(folder, "best") for folder in folders):
      print(
        f"{workdir} holds this run, and it is complete: there is nothing to do"
      )
      return complete
  with contextlib.ExitStack() as stack:
    processes.first(lambda: stack.enter_context(locks.hold(workdir)))
    problems = processes.in_turn(
      lambda: tasks.make_problems(configs, data_dir, cache_dir)
    )
    for problem in problems:
      options.check_length(flatten(problem.config.to_dict()), problem.num_steps)
    members = [
      Member(name, problem, folder, problem.config.get("patience", 0))
      for name, problem, folder in zip(names, problems, folders, strict=True)
    ]
    if complete:
      for _, trainer in _trainers(members, workdir, config, from_best):
        processes.first(trainer.mend)
      return complete
    # Before, there is nothing that could be saved.
    with stop_signals() as stop:
      trainers = _trainers(members, workdir, config, from_best)
      written = _train_all(members, workdir, trainers, stop, command)
  if written is None:
    return None
  # Every member has its own checkpoints now.
  if processes.is_first():
    shutil.rmtree(workdir / _PROGRAMS, ignore_errors=True)
  return written


def _complete(
  files: Sequence[pathlib.Path], configs: Sequence[ConfigDict]
) -> list[dict[str, Any]] | None:
  """Returns the records if all are there, and none of a shorter run."""
  if not all(path.exists() for path in files):
    return None
  found = [settings.read_json(path) for path in files]
  for record, config in zip(found, configs, strict=True):
    if settings.is_longer(settings.as_json(config), record.get("config", {})):
      return None
  return found


def _check_data(
  files: Sequence[pathlib.Path],
  configs: Sequence[ConfigDict],
  data_dir: str | os.PathLike[str] | None,
  cache_dir: str | os.PathLike[str] | None,
) -> None:
  """Refuses records of other data than are there now."""
  facts = same_data.facts_now(configs, str(files[0]), data_dir, cache_dir)
  if facts is not None:
    same_data.check_records(zip(files, facts, strict=True))


def _trainers(
  members: Sequence[Member],
  workdir: pathlib.Path,
  config: ConfigDict,
  from_best: bool,
) -> Iterator[tuple[list[int], Trainer]]:
  """Yields the indices of the members of each program, and its trainer."""
  groups = group_by_program([member.problem for member in members])
  _describe(members, len(groups), workdir)
  for number, group in enumerate(groups):
    is_alone = members[group[0]].folder == workdir
    trainer = Trainer(
      [members[i] for i in group],
      workdir if is_alone else workdir / _PROGRAMS / str(number),
      title="" if len(groups) == 1 else f"program {number + 1}/{len(groups)}",
      from_best=from_best,
    )
    if not is_alone:  # Not before what the folder holds was found to fit.
      settings.write_config(workdir, config)
    yield group, trainer


def _train_all(
  members: Sequence[Member],
  workdir: pathlib.Path,
  trainers: Iterable[tuple[list[int], Trainer]],
  stop: list[str],
  command: str,
) -> list[dict[str, Any]] | None:
  """Trains program after program; the records, or None after a signal."""
  done: dict[int, dict[str, Any]] = {}
  for group, trainer in trainers:
    parameters = counted(trainer.program.num_parameters, "parameter")
    name = members[group[0]].problem.model_name()
    print(f"model    {trainer.title(name)}: {parameters}", flush=True)
    with ProgressLine(trainer.program.num_steps) as progress:
      if not trainer.run(stop, progress):
        return None
    written = trainer.finish(command, workdir.resolve().name)
    done |= dict(zip(group, written, strict=True))
  return [done[i] for i in range(len(members))]


def _describe(
  members: Sequence[Member], num_programs: int, workdir: pathlib.Path
) -> None:
  """Prints what is trained on what, how often, and where."""
  problem = members[0].problem
  for line in problem.describe():
    print(line)
  words = [f"run      {counted(problem.num_steps, 'step')}"]
  if problem.epoch_steps:
    words.append(f"{problem.epoch_steps:,} per epoch")
  if len(members) > 1:
    programs = counted(num_programs, "program")
    words.append(f"{counted(len(members), 'member')} in {programs}")
  if problem.num_shares > 1:
    words.append(f"a batch on {counted(problem.num_shares, 'device')}")
  if processes.count() > 1:
    words.append(f"in {counted(processes.count(), 'process', 'processes')}")
  words.append(f"on {jax.default_backend()}, in {workdir}")
  print(", ".join(words), flush=True)
