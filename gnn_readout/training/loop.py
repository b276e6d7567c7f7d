"""One program from its first step, or its checkpoint, to the records.

A `Trainer` restores, advances, logs, evaluates, keeps the best, saves, and
stops at a signal. What it decides, such as who is given up and who has had
enough patience, it decides on the host, between the steps of the program.
"""

from __future__ import annotations

import contextlib
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gnn_readout import optimizers, paths, provenance, records
from gnn_readout.runs import locks, log, processes, settings
from gnn_readout.runs.progress import ProgressLine
from gnn_readout.training import outcome
from gnn_readout.training.history import History
from gnn_readout.training.program import Program
from gnn_readout.training.snapshots import Member, Memory, Snapshots
from gnn_readout.wording import counted

# With `checkpoint_every` 0 every evaluation is saved, unless saving would take
# more than this share of the time.
_SAVING_SHARE = 0.05


class Trainer:
  """Takes the members of a program to their end.

  Attributes:
    program: What is compiled, and the members' states.
    histories: What is remembered of each member.
  """

  def __init__(
    self,
    members: Sequence[Member],
    folder: pathlib.Path,
    splits: Sequence[str] = ("valid",),
    title: str = "",
    from_best: bool = False,
  ):
    """Builds the program and restores the latest checkpoint, if there is one.

    Args:
      members: Members of one group of `group_by_program`.
      folder: Where the checkpoint of all members together lies.
      splits: What is scored at every evaluation.
      title: What the program is called where there are several.
      from_best: Whether to resume from the best checkpoint if the latest one is
        damaged.
    """
    self.program = Program([member.problem for member in members], self._say)
    self.histories = [History() for _ in members]
    self._members, self._folder = list(members), folder
    self._splits, self._title = tuple(splits), title
    self._problem = members[0].problem
    self._log_every = self._setting("log_every") or self._problem.eval_every
    self._save_every = self._setting("checkpoint_every")
    self._progress: ProgressLine | None = None
    self._snapshots = Snapshots(self.program, members, folder, self._say)
    self._began = time.monotonic()  # When a run without breaks would have.
    self._saved_at, self._saving = -math.inf, 0.0
    self._last_log = 0  # The step of the last one.
    self._saved_step = -1
    self._restore(from_best)
    for member in members:
      if member.folder:
        settings.write_config(member.folder, member.config)

  def run(
    self,
    stop: list[str],
    progress: ProgressLine,
    show: Callable[[int], None] | None = None,
  ) -> bool:
    """Trains to the last step, or until `stop` has an entry.

    Args:
      stop: Gets the name of the signal that stops the run.
      progress: Where to show how far it is.
      show: Called with the number of steps done, instead of showing them and
        the evaluations.

    Returns:
      Whether the members are done.

    Raises:
      ValueError: If no member is left.
    """
    program, self._progress, self._is_quiet = self.program, progress, bool(show)
    show = show or (lambda step: progress.show(step, self._status))

    def after_step() -> None:
      processes.agree_to_stop(stop)
      show(program.step)

    with contextlib.ExitStack() as stack:
      stack.callback(program.close)
      self._logs = [
        stack.enter_context(self._open_log(member)) for member in self._members
      ]
      if program.step:
        self._say(f"resuming from the checkpoint of step {program.step}")
      elif not program.num_steps and not self.histories[0].valid:
        self._evaluate()
      while not program.is_done and not stop:
        before = program.step
        program.advance(self._due(), stop, after_step)
        if program.step == before:  # The signal came before the first step.
          break
        if self._is_at(self._log_every):
          self._log()
        if self._is_at(self._problem.eval_every):
          self._evaluate()
        if self._is_save_due():
          self._save()
      self._save()
    if not program.is_done:
      self._say(
        f"{stop[0]}: saved step {program.step}; the same command resumes"
      )
    return program.is_done

  @property
  def seconds(self) -> float:
    """Wall time of all members together, with that of earlier calls."""
    return time.monotonic() - self._began

  def finish(self, command: str, run_name: str) -> list[dict[str, Any]]:
    """Tests every member at its best step; writes checkpoints and records.

    Args:
      command: What to type to repeat the run.
      run_name: The first word of the records' names.
    """
    scores = self.program.score(("test",), of_best=True)
    processes.first(lambda: self._snapshots.write_members(self._memory))
    arrays, environment = self.program.arrays(), provenance.environment()
    written = []
    for m, member in enumerate(self._members):
      name = paths.part("-".join(filter(None, [run_name, member.name])))
      facts = outcome.facts(
        self.program,
        m,
        self.histories[m],
        scores[m],
        jax.tree.map(lambda x, m=m: x[m], arrays["best"].params),
        self.seconds,
      )
      facts = {"name": name, "command": command, **environment, **facts}
      if processes.is_first():
        locks.check_there(member.folder / "config.json")
        facts = records.write(member.folder, facts)
      written.append(facts)
      print(outcome.summary(member.name, written[-1]))
    return written

  def mend(self) -> None:
    """Makes every damaged `best` of the members anew from the latest state."""
    self._snapshots.mend(self._memory)

  def _setting(self, name: str) -> int:
    return self._members[0].config.get(name, 0)

  def _open_log(self, member: Member) -> Any:
    if member.folder is None or not processes.is_first():
      return contextlib.nullcontext()
    tensorboard = member.config.get("tensorboard", False)
    return log.MetricsLog(member.folder, self.program.step, tensorboard)

  def _due(self) -> int:
    """Returns the steps to the next one after which there is work to do."""
    step = self.program.step
    intervals = self._log_every, self._problem.eval_every, self._save_every
    left = [every - step % every for every in intervals if every]
    return min(*left, self.program.num_steps - step)

  def _is_at(self, every: int) -> bool:
    step = self.program.step
    return step % every == 0 or step == self.program.num_steps

  def _log(self) -> None:
    """Writes the means since the log before, for every active member."""
    self._give_up_failed()
    step = self.program.step
    sums = self.program.take_sums()
    count, self._last_log = step - self._last_log, step
    speed = self.program.graphs_per_second
    rate = {"graphs_per_second": speed} if speed else {}
    for m in np.flatnonzero(self.program.active).tolist():
      means = {name: float(x[m]) / count for name, x in sums.items()}
      self.histories[m].log(step, means)
      self._write(m, {**means, **rate})

  def _evaluate(self) -> None:
    """Scores every active member; keeps the best; stops who had enough."""
    self._give_up_failed()
    program, step = self.program, self.program.step
    better = np.zeros(len(self._members), bool)
    results = program.score(self._splits)
    for m in np.flatnonzero(program.active).tolist():
      history, result = self.histories[m], results[m]
      if isinstance(result, ValueError):
        self._give_up(m, f"{result}, at step {step}")
        continue
      values = {
        f"{split}_{name}": value
        for split, scores in result.items()
        for name, value in scores.values.items()
      }
      self._write(m, values)
      metric = self._problem.metric
      scores = {split: values[f"{split}_{metric}"] for split in result}
      better[m] = history.score(step, scores, self._problem.sign)
      if self._has_enough(m):
        program.active[m] = False
        self._say_that_it_stops(m)
    if self._keeps_best:
      program.keep_best(better)
    self._check_survivors()
    self._set_rates()
    if not self._is_quiet:
      self._say(self._status())

  def _has_enough(self, m: int) -> bool:
    patience = self._members[m].patience
    return bool(patience) and self.histories[m].waited() >= patience

  def _say_that_it_stops(self, m: int) -> None:
    if self._is_quiet:
      return
    member = self._members[m]
    waited = counted(member.patience, "evaluation")
    self._say(
      f"{member.name}{': ' * bool(member.name)}no better validation score in"
      f" {waited}; stopped at step {self.program.step}"
    )

  def _set_rates(self) -> None:
    """Multiplies the learning rates by what follows from the scores so far."""
    fields, sign = self._members[0].config["optimizer"], self._problem.sign
    if optimizers.follows_scores(fields):
      curves = [[score for _, score in h.valid] for h in self.histories]
      self.program.set_rate_factors(
        [optimizers.rate_factor(fields, curve, sign) for curve in curves]
      )

  def _give_up_failed(self) -> None:
    for m, fault in enumerate(self.program.faults()):
      if fault and self.program.active[m]:
        self._give_up(m, fault)
    self._check_survivors()

  def _give_up(self, m: int, why: str) -> None:
    self.program.active[m] = False
    self.histories[m].failure = why
    if len(self._members) > 1:
      self._say(f"{self._members[m].name}: {why}; stopped")

  def _check_survivors(self) -> None:
    if all(history.failure for history in self.histories):
      name = self._members[0].name
      raise ValueError(
        f"{name}{': ' * bool(name)}{self.histories[0].failure}; a smaller"
        " optimizer.learning_rate may help"
      )

  def _write(self, m: int, values: dict[str, float]) -> None:
    if self._members[m].folder and processes.is_first():
      self._logs[m].write(self.program.step, values)

  @property
  def _keeps_best(self) -> bool:
    return any(member.folder for member in self._members)

  def _restore(self, from_best: bool) -> None:
    program = self.program
    memory = processes.in_turn(lambda: self._snapshots.read(from_best))
    processes.check_same(
      program.step if memory else 0,
      f"the step of the checkpoint in {self._folder}",
    )
    if memory is None:
      program.initialise()
      return
    self.histories = memory.histories
    program.active = np.array(
      [
        not history.failure and not self._has_enough(m)
        for m, history in enumerate(self.histories)
      ]
    )
    self._set_rates()
    self._began -= memory.seconds
    self._last_log, self._saved_step = memory.last_log, program.step

  def _is_save_due(self) -> bool:
    if self._save_every:
      return self._is_at(self._save_every)
    waited = time.monotonic() - self._saved_at
    is_cheap = self._saving <= _SAVING_SHARE * waited
    return is_cheap and self._is_at(self._problem.eval_every)

  def _save(self) -> None:
    """Writes the checkpoints of this step, unless they are there."""
    if self._saved_step == self.program.step:
      return
    self._give_up_failed()
    if not processes.is_first():
      return
    began = time.monotonic()
    self._snapshots.write(self._memory)
    self._saved_step, self._saved_at = self.program.step, time.monotonic()
    self._saving = self._saved_at - began

  @property
  def _memory(self) -> Memory:
    return Memory(self.histories, self._last_log, self.seconds)

  def title(self, text: str) -> str:
    """Returns the text, after the name of the program if there are several."""
    return f"{self._title}  {text}" if self._title else text

  def _say(self, text: str) -> None:
    text = self.title(text)
    if self._progress:
      self._progress.say(text)
    else:
      print(text, flush=True)

  def _status(self) -> str:
    return outcome.status(self.program, self.histories, self.seconds)
