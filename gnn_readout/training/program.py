"""Members that share what is compiled, on a mesh of devices.

A member is a run: its own seed, learning rate, dropout, fold of the data. A
step of the program is a step of every member, and what becomes of a member is
what would become of the same run alone. A lone run is a program of one member.
Letters: M members.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout import models, optimizers, shares
from gnn_readout.tasks import Problem
from gnn_readout.tasks.base import Batch, Exam, Scores
from gnn_readout.training import members, sharding
from gnn_readout.training import step as step_lib
from gnn_readout.training.compilation import compiled_for

# Steps that may wait for the devices: enough to keep them busy, few enough that
# their batches do not pile up in memory.
_MAX_AHEAD = 4
# A call that makes many steps is long enough to keep the devices busy and short
# enough to hear a signal.
_CALL_SECONDS = 0.5


def group_by_program(problems: Sequence[Problem]) -> list[list[int]]:
  """Returns the indices of the members of each program.

  Args:
    problems: Problems of the members. Those of other shapes, such as widths or
      batch sizes, or of another number of steps, are in different programs.
  """
  groups: list[list[int]] = []
  for group in members.group_by_program([p.config for p in problems]):
    by_steps: dict[Any, list[int]] = {}
    for i in group:
      key = problems[i].num_steps, problems[i].epoch_steps
      by_steps.setdefault(key, []).append(i)
    groups += by_steps.values()
  return groups


class Program:
  """Members that share a compiled step.

  Attributes:
    problems: M of them.
    active: [M] bool, on the host; members that are not do not train.
    step: Steps done.
    step_seconds: Wall time of these steps, without compilation.
    real: [M, 3] graphs, nodes and edges trained on.
    padded: [M, 3] the same with padding.
    shapes: [nodes, edges] of the batches, each once.
    say: Takes a line about something that took long.
  """

  def __init__(
    self,
    problems: Sequence[Problem],
    say: Callable[[str], None] = lambda text: None,
  ):
    """Prepares the functions; `initialise` or `load` makes the state.

    Args:
      problems: Problems of the members, of one group of `group_by_program`.
      say: Takes a line about something that took long.
    """
    self.problems, self.say = list(problems), say
    self.active = np.ones(len(problems), bool)
    self.step, self.step_seconds = 0, 0.0
    self.real, self.padded = np.zeros((2, len(problems), 3), np.int64)
    self.shapes: list[list[int]] = []
    first = self.problems[0]
    self.mesh = sharding.make_mesh(len(problems), first.num_shares)
    self._is_shared = first.is_shared(self.problems)
    self._compiled = compiled_for(
      first, self.mesh, len(problems), self._is_shared
    )
    values = members.traced([p.config for p in problems])
    hyper = {name: np.array(x) for name, x in values.items()}
    arrays = [p.hyper_arrays() for p in problems]
    hyper |= {name: np.stack([a[name] for a in arrays]) for name in arrays[0]}
    if optimizers.follows_scores(first.config["optimizer"]):
      hyper[optimizers.RATE_FACTOR] = np.ones(len(problems))
    self._hyper = self._place(hyper)
    self._batches: Generator[Batch, None, None] | None = None
    self._exams: dict[tuple[str, ...], Exam] = {}
    self._calls = 1  # Steps of the next call that makes many.
    self._compiling = 0.0  # Seconds, since the last call of `advance`.

  @property
  def num_members(self) -> int:
    """Number of members, M."""
    return len(self.problems)

  @property
  def num_steps(self) -> int:
    """Steps of the whole run."""
    return self.problems[0].num_steps

  @property
  def is_done(self) -> bool:
    """Whether nothing is left to train."""
    return self.step >= self.num_steps or not self.active.any()

  @property
  def steps_per_second(self) -> float:
    """Steps of all members at once."""
    return self.step / max(self.step_seconds, 1e-9)

  @property
  def graphs_per_second(self) -> float:
    """Graphs that all members trained on; 0 where there are no graphs."""
    return float(self.real[:, 0].sum() / max(self.step_seconds, 1e-9))

  @property
  def num_parameters(self) -> int:
    """Number of parameters of one member."""
    return models.count_parameters(
      jax.eval_shape(
        lambda params: jax.tree.map(lambda x: x[0], params), self._best.params
      )
    )

  def initialise(self) -> None:
    """Makes the state of all members before the first step."""
    seeds = np.array([p.config["seed"] for p in self.problems], np.int32)
    example = self.problems[0].example()
    self._state = self._compiled.init(self._hyper, self._place(seeds), example)
    self._best = self._compiled.first_best(self._state)

  def advance(
    self,
    num_steps: int,
    stop: Sequence[str] = (),
    show: Callable[[], None] = lambda: None,
  ) -> None:
    """Makes steps of all active members, and waits for the last.

    Args:
      num_steps: How many.
      stop: Gets an entry when to stop before.
      show: Called after every step, or call that makes many.
    """
    advance = self._advance_many if self._compiled.advance else self._each_step
    advance(self.step + num_steps, self._place_active(), stop, show)

  def close(self) -> None:
    """Ends the thread that makes batches."""
    if self._batches is not None:
      self._batches.close()
      self._batches = None

  def faults(self) -> list[str]:
    """Returns what was not finite in which step of each member, or ''."""
    return [step_lib.fault_of(x) for x in self._fetch(self._state.fault)]

  def take_sums(self) -> dict[str, np.ndarray]:
    """Returns the sums [M] of a step's scalars since the last call."""
    sums = self._fetch(self._state.sums)
    zeros = self._place(jax.tree.map(np.zeros_like, sums))
    self._state = self._state._replace(sums=zeros)
    return sums

  def predict(
    self, splits: Sequence[str], of_best: bool = False
  ) -> tuple[Exam, list[list[Any]]]:
    """Predicts all that some splits are scored by.

    Args:
      splits: Names of splits, such as 'valid'.
      of_best: Whether the best states predict, and not those of now.

    Returns:
      What is predicted from, and of each member the predictions for each of
      its batches, on the host.
    """
    key = tuple(splits)
    if key not in self._exams:
      exam = self.problems[0].exam(self.problems, splits)
      batches = [self._place(b, exam.is_shared) for b in exam.batches]
      self._exams[key] = exam._replace(batches=batches)
    exam = self._exams[key]
    predict = self._compiled.predict[exam.is_shared]
    state = self._best if of_best else step_lib.best_of(self._state)
    outputs = self._fetch(
      [
        predict(self._hyper, state.params, state.model_state, batch)
        for batch in exam.batches
      ]
    )
    return exam, [
      [jax.tree.map(lambda x, m=m: x[m], output) for output in outputs]
      for m in range(self.num_members)
    ]

  def score(
    self, splits: Sequence[str], of_best: bool = False
  ) -> list[dict[str, Scores] | ValueError]:
    """Scores every member that is active, or the best state of every member.

    Args:
      splits: Names of splits, such as 'valid'.
      of_best: Whether to score the best states, and not those of now.

    Returns:
      Of each member the scores by split, or why there are none; nothing for
      those that are not asked for.
    """
    exam, outputs = self.predict(splits, of_best)
    results: list[dict[str, Scores] | ValueError] = []
    for m in range(self.num_members):
      asked = splits if of_best or self.active[m] else ()
      try:
        results.append(
          {name: exam.score(m, name, outputs[m]) for name in asked}
        )
      except ValueError as error:
        results.append(error)
    return results

  def set_rate_factors(self, factors: Sequence[float]) -> None:
    """Sets what the members' learning rates are multiplied by, [M].

    Args:
      factors: Factors of the schedule 'plateau'.
    """
    placed = self._place(np.array(factors))
    self._hyper = {**self._hyper, optimizers.RATE_FACTOR: placed}

  def keep_best(self, better: np.ndarray) -> None:
    """Keeps the states of the members where [M] bool is true."""
    if better.any():
      self._best = self._compiled.keep(
        self._place(better), self._state, self._best
      )

  def arrays(self) -> dict[str, Any]:
    """Returns all that changes, [M, ...] on the host.

    It does not depend on the number of devices.
    """
    return self._fetch({"state": self._state, "best": self._best})

  def shapes_of_arrays(self) -> dict[str, Any]:
    """Returns the shapes and types of what `arrays` returns."""
    return shapes_of_arrays(self.problems[0], self._fetch(self._hyper))

  def load(self, arrays: dict[str, Any], step: int) -> None:
    """Goes on from what `arrays` returned after some step."""
    self.close()
    arrays = self._place(arrays)
    self._state, self._best = arrays.get("state"), arrays["best"]
    self.step = step

  def _each_step(
    self,
    end: int,
    active: Array | None,
    stop: Sequence[str],
    show: Callable[[], None],
  ) -> None:
    """Makes steps on batches from the host."""
    if self.num_members == 1:  # Nobody else to be spared its steps.
      active = None
    if self._batches is None:
      self._batches = self.problems[0].stream(self.problems, self.step)
    waiting: collections.deque = collections.deque()
    began, self._compiling = time.monotonic(), 0.0
    while self.step < end and not stop:
      waiting.append(self._take(next(self._batches), active))
      if len(waiting) > _MAX_AHEAD:
        jax.block_until_ready(waiting.popleft())
      show()
    jax.block_until_ready(waiting)
    self.step_seconds += time.monotonic() - began - self._compiling

  def take(self, batch: Batch) -> Array:
    """Makes a step of all members on a batch from the host.

    Args:
      batch: As `Problem.stream` yields it.

    Returns:
      The losses, to be waited for.
    """
    is_alone = self.num_members == 1
    return self._take(batch, None if is_alone else self._place_active())

  def step_of(self, batch: Batch) -> Any:
    """Returns the compiled step for batches of a shape that was taken."""
    return self._compiled.steps[batch.padded]

  def _take(self, batch: Batch, active: Array | None) -> Array:
    arrays = batch.arrays
    if self.mesh.size > 1 or not self._is_shared:
      own = shares.own(self.problems[0].num_shares)
      arrays = sharding.place_batch(arrays, self.mesh, self._is_shared, own)
    if batch.padded not in self._compiled.steps:
      self._compile_step(batch.padded, active, arrays)
    step = self._compiled.steps[batch.padded]
    self._state, loss = step(self._hyper, active, self._state, arrays)
    self.step += 1
    self._tally(batch)
    return loss

  def _compile_step(
    self, shape: tuple[int, int, int], active: Array | None, arrays: Any
  ) -> None:
    jax.block_until_ready(self._state)  # Steps before are not compilation.
    began = time.monotonic()
    lowered = self._compiled.step.lower(
      self._hyper, active, self._state, arrays
    )
    self._compiled.steps[shape] = lowered.compile()
    seconds = time.monotonic() - began
    self._compiling += seconds
    count = len(self._compiled.steps)
    self.say(f"compiled shape {count} in {seconds:.1f} s")

  def _tally(self, batch: Batch) -> None:
    self.real[self.active] += (
      batch.real[0] if len(batch.real) == 1 else batch.real[self.active]
    )
    self.padded[self.active] += batch.padded
    if list(batch.padded[1:]) not in self.shapes:
      self.shapes.append(list(batch.padded[1:]))

  def _advance_many(
    self,
    end: int,
    active: Array,
    stop: Sequence[str],
    show: Callable[[], None],
  ) -> None:
    """Makes steps on batches that are drawn on the devices."""
    while self.step < end and not stop:
      if not self._compiled.is_warm:
        began = time.monotonic()
        self._call(active, 0)
        self.say(f"compiled in {time.monotonic() - began:.1f} s")
        self._compiled.is_warm = True
      steps = min(self._calls, end - self.step)
      began = time.monotonic()
      self._call(active, steps)
      self.step += steps
      seconds = time.monotonic() - began
      self.step_seconds += seconds
      calls = int(_CALL_SECONDS / max(seconds / steps, 1e-6))
      self._calls = max(1, min(calls, 4 * steps))
      show()

  def _call(self, active: Array, steps: int) -> None:
    self._state = self._compiled.advance(
      self._hyper, active, np.int32(steps), self._state
    )
    jax.block_until_ready(self._state)

  def _place(self, tree: Any, is_shared: bool = False) -> Any:
    return sharding.place(tree, self.mesh, is_shared)

  def _place_active(self) -> Array:
    # Copies of members, which fill up the devices, do not train.
    extra = sharding.padded_size(self.num_members, self.mesh) - self.num_members
    return self._place(np.pad(self.active, (0, extra)))

  def _fetch(self, tree: Any) -> Any:
    """Returns arrays of one entry per member on the host."""
    return jax.tree.map(lambda x: x[: self.num_members], sharding.fetch(tree))


def shapes_of_arrays(problem: Problem, hyper: Any) -> dict[str, Any]:
  """Returns the shapes and types of what a checkpoint of members holds.

  Args:
    problem: The problem of any of them.
    hyper: Their traced fields, [M] each.
  """
  init = step_lib.make_init(problem.functions())
  seeds = jnp.zeros(len(next(iter(hyper.values()))), jnp.int32)
  example = problem.example()
  state = jax.eval_shape(
    jax.vmap(lambda hyper, seed: init(hyper, seed, example)), hyper, seeds
  )
  return {"state": state, "best": step_lib.best_of(state)}
