"""Runs of tasks that draw their own examples; many members as one program."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gnn_readout import records
from gnn_readout.files import atomic_write_text
from gnn_readout.runs import checkpoints, settings
from gnn_readout.runs.log import MetricsLog
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.runs.signals import stop_signals
from gnn_readout.tasks import TASKS, Task
from gnn_readout.training import members, task_program
from gnn_readout.training.task_history import Member

# A call of the program is long enough to keep the devices busy and short enough
# to hear a signal.
_CALL_SECONDS = 0.5
_SAVE_SECONDS = 60.0


def train(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
) -> list[dict[str, Any]] | None:
  """Trains a task's model, or all members of a population of them.

  Goes on where an earlier call stopped; a run that was stopped, at whatever
  moment, ends with the same parameters as one that was not. A member whose loss
  or gradient stops being finite is given up, the others go on.

  Args:
    config: As `configs/median.py` makes it. `population` may name values of
      `seed` and of `optimizer.learning_rate`. Optional: `chunk_size` (see
      `Program`), `optimizer.schedule` and `optimizer.warmup_steps`.
    workdir: The folder of the run: config.json, metrics.jsonl, checkpoints/,
      and, once it is complete, members/NAME/record.json for every member, or
      record.json if there is no population.
    data_dir: Where the datasets are.
    cache_dir: Where what was made of them is.
    command: What to type to repeat the run, for the records.

  Returns:
    The records, or None if SIGTERM or SIGINT stopped the run.

  Raises:
    ValueError: If the configuration, the data or what the folder already holds
      does not allow the run, or every member had to be given up.
    OSError: If a file is missing or cannot be written.
  """
  config = config.copy_and_resolve_references()
  settings.check(config)
  configs = _members(config)
  workdir = pathlib.Path(workdir)
  settings.check_workdir(workdir, settings.as_json(config))
  paths = [workdir / folder / "record.json" for folder in configs]
  if all(path.exists() for path in paths):
    print(f"{workdir} holds this run, complete: nothing to do")
    return [settings.read_json(path) for path in paths]
  first = next(iter(configs.values()))
  task = TASKS[config.task](first.to_dict(), data_dir, cache_dir)
  run = _Run(config, configs, workdir, task)
  run.describe()
  with stop_signals() as stop:
    if not run.advance(stop):
      return None
  return run.finish(command)


def _members(config: ConfigDict) -> dict[str, ConfigDict]:
  """Returns the config of every member by its folder, '.' if it is alone."""
  text = config.get("population", "")
  if not isinstance(text, str):
    raise ValueError(
      "population must be text such as 'seed=0,1,2', or empty, got"
      f" {type(text).__name__}"
    )
  for name in members.overrides(config, text)[0]:
    if name not in members.OF_TASKS:
      raise ValueError(
        f"population {text!r}: the members of a task may differ in"
        f" {' and '.join(members.OF_TASKS)}, not in {name}"
      )
  names = members.names(config)
  folders = [f"members/{name}" if name else "." for name in names]
  configs = dict(zip(folders, members.expand(config), strict=True))
  for member in configs.values():
    settings.check(member)
  return configs


class _Run:
  """A program, the curves of its members, and what is written of them."""

  def __init__(
    self,
    config: ConfigDict,
    configs: dict[str, ConfigDict],
    workdir: pathlib.Path,
    task: Task,
  ):
    """Builds the program and restores the latest checkpoint, if any."""
    self._config, self._workdir, self._task = config, workdir, task
    self._folders, self._configs = list(configs), list(configs.values())
    self._config_hash = settings.config_hash(settings.as_json(config))
    self._began = time.monotonic()  # When a run without breaks would have.
    self._program = task_program.from_configs(task, self._configs)
    self._members = [Member() for _ in configs]
    self._step, self._step_seconds = 0, 0.0
    self._restore()
    text = json.dumps(settings.as_json(config), indent=1)
    atomic_write_text(workdir / "config.json", text + "\n")

  def _restore(self) -> None:
    if checkpoints.latest_step(self._workdir) is None:
      return
    saved = checkpoints.restore(
      self._workdir, "latest", self._program.arrays(), schema=None
    )
    if saved.meta["config_hash"] != self._config_hash:
      raise ValueError(
        f"the checkpoint of step {saved.step} in {self._workdir} belongs to"
        f" another config: its hash is {saved.meta['config_hash']}, not"
        f" {self._config_hash}"
      )
    self._program.load(saved.state)
    self._members = [Member(**member) for member in saved.meta["members"]]
    self._program.active[:] = [not m.failure for m in self._members]
    self._step, self._step_seconds = saved.step, saved.meta["step_seconds"]
    self._began -= saved.meta["seconds"]

  def _save(self) -> None:
    meta = {
      "config_hash": self._config_hash,
      "members": [dataclasses.asdict(member) for member in self._members],
      "seconds": time.monotonic() - self._began,
      "step_seconds": self._step_seconds,
    }
    arrays = self._program.arrays()
    checkpoints.save(self._workdir, "latest", self._step, arrays, meta)

  def describe(self) -> None:
    """Prints what is trained, how many times, and where."""
    config, program = self._config, self._program
    readout = settings.flatten(config.to_dict()).get("model.readout.name")
    print(
      f"task     {config.task}, metric {self._task.metric}"
      f"{f', {readout} readout' if readout else ''}:"
      f" {program.num_parameters:,} parameters"
    )
    print(
      f"run      {config.num_steps:,} steps, {len(self._members)} at once, on"
      f" {program.num_devices} x {jax.default_backend()}, in {self._workdir}",
      flush=True,
    )
    if self._step:
      print(f"going on from the checkpoint of step {self._step}")

  def advance(self, stop: Sequence[str]) -> bool:
    """Trains to the last step, or until `stop` has an entry.

    Args:
      stop: Gets the name of the signal that stops the run.

    Returns:
      Whether the run is complete.
    """
    num_steps, every = self._config.num_steps, self._config.eval_every
    count, saved = 1, time.monotonic()
    with (
      MetricsLog(self._workdir, self._step, False) as self._log,
      ProgressLine(num_steps) as self._progress,
    ):
      if not self._is_done():
        self._compile()
      while not self._is_done() and not stop:
        steps = min(count, every - self._step % every, num_steps - self._step)
        seconds = self._advance(steps)
        count = int(_CALL_SECONDS / max(seconds / steps, 1e-6))
        count = max(1, min(count, 4 * steps))
        if self._step % every == 0 or self._step == num_steps:
          self._evaluate()
          if time.monotonic() - saved > _SAVE_SECONDS:
            self._save()
            saved = time.monotonic()
        self._progress.show(self._step, self._describe)
      self._save()
      if not self._is_done():
        self._progress.say(
          f"{stop[0]}: saved step {self._step}; the same command goes on from"
          " there"
        )
    return self._is_done()

  def _is_done(self) -> bool:
    is_last = self._step == self._config.num_steps
    return is_last or not self._program.active.any()

  def _compile(self) -> None:
    began = time.monotonic()
    self._program.advance(0)
    self._progress.say(f"compiled in {time.monotonic() - began:.1f} s")

  def _advance(self, steps: int) -> float:
    """Trains for some steps and returns the seconds they took."""
    began = time.monotonic()
    self._program.advance(steps)
    self._step += steps
    seconds = time.monotonic() - began
    self._step_seconds += seconds
    return seconds

  def _evaluate(self) -> None:
    """Scores all members; keeps their best; gives up those that failed."""
    program, metric = self._program, self._task.metric
    scores, faults = program.score_valid(), program.faults()
    sums = program.take_sums()
    steps = self._step % self._config.eval_every or self._config.eval_every
    sign = -1 if self._task.lower_is_better else 1
    better = np.zeros(len(self._members), bool)
    for m, member in enumerate(self._members):
      value = float(scores[metric][m])
      if not program.active[m]:
        continue
      if faults[m]:
        self._give_up(m, faults[m])
      elif not math.isfinite(value):
        what = f"{metric} on the validation examples"
        self._give_up(m, f"the {what} was not finite at step {self._step}")
      else:
        means = {name: float(x[m]) / steps for name, x in sums.items()}
        better[m] = member.add(self._step, means, value, sign)
        valid = {f"valid_{name}": float(x[m]) for name, x in scores.items()}
        who = {"member": self._name(m)} if self._is_population() else {}
        self._log.write(self._step, {**who, **means, **valid})
    program.keep_best(better)
    self._progress.say(self._describe())

  def _give_up(self, m: int, why: str) -> None:
    self._program.active[m] = False
    self._members[m].failure = why
    who = f"{self._name(m)}: " if self._is_population() else ""
    self._progress.say(f"{who}{why}; it stops")

  def finish(self, command: str) -> list[dict[str, Any]]:
    """Scores the best parameters on the test examples; writes the records."""
    if not self._program.active.any():
      raise ValueError(
        f"{self._members[0].failure}; a smaller optimizer.learning_rate may"
        " help"
      )
    scores, best = self._program.score_test(), self._program.best()
    environment = records.environment()
    finished = []
    for m, folder in enumerate(self._folders):
      own = {name: float(x[m]) for name, x in scores.items()}
      facts = self._facts(m, own if self._members[m].best else None, best[m])
      (self._workdir / folder).mkdir(parents=True, exist_ok=True)
      record = records.write(
        self._workdir / folder, {"command": command, **environment, **facts}
      )
      print(self._summary(m, record))
      finished.append(record)
    return finished

  def _facts(
    self, m: int, scores: dict[str, float] | None, params: Any
  ) -> dict[str, Any]:
    """Returns what a record says of a member and its best parameters."""
    config, member = self._configs[m], self._members[m]
    metric, name = self._task.metric, self._workdir.resolve().name
    if self._is_population():
      name = f"{name}-{self._name(m)}"
    fields = settings.as_json(config)
    module = sys.modules[TASKS[config.task].__module__]
    describe = getattr(module, "describe", lambda params: {})
    return {
      "kind": "run",
      "name": name,
      "problem": config.task,
      "config": fields,
      "config_hash": settings.config_hash(fields),
      "seed": config.seed,
      "dataset": None,
      "num_parameters": self._program.num_parameters,
      "steps": config.num_steps,
      "epochs": None,
      "curves": {
        "train": member.train,
        "valid": member.valid,
        "diagnostics": member.diagnostics,
      },
      "best": member.best,
      "test": scores
      and {
        "metric": metric,
        "value": scores[metric],
        "step": member.best["step"],
        "scores": scores,
      },
      "lower_is_better": self._task.lower_is_better,
      "failure": member.failure,
      "wall_seconds": time.monotonic() - self._began,
      "steps_per_second": self._step / max(self._step_seconds, 1e-9),
      "graphs_per_second": None,
      "padding": None,
      "num_compiled_shapes": None,
      "num_members": len(self._members),
      "num_devices": self._program.num_devices,
      "describe": describe(params) if scores else {},
      "note": config.note,
    }

  def _summary(self, m: int, record: dict[str, Any]) -> str:
    words = [self._name(m)] if self._is_population() else []
    if test := record["test"]:
      words.append(
        f"test {test['metric']} {test['value']:.5g} at step {test['step']}, the"
        f" best on valid ({record['best']['valid']:.5g})"
      )
    return "; ".join([*words, *filter(None, [record["failure"]])])

  def _name(self, m: int) -> str:
    return self._folders[m].rpartition("/")[2]

  def _is_population(self) -> bool:
    return self._folders != ["."]

  def _describe(self) -> str:
    words = [f"step {self._step:,}/{self._config.num_steps:,}"]
    going = [m for m in self._members if m.valid and not m.failure]
    if going:
      losses = sorted(member.train[-1][1] for member in going)
      best = min if self._task.lower_is_better else max
      value = best(member.best["valid"] for member in going)
      words.append(f"loss {losses[len(losses) // 2]:.4g}")
      words.append(f"best valid {self._task.metric} {value:.4g}")
    speed = self._step / max(self._step_seconds, 1e-9)
    words.append(f"{speed:,.1f} steps/s")
    left = (self._config.num_steps - self._step) / max(speed, 1e-9)
    words.append(f"ETA {duration(left)}")
    return "  ".join(words)
