"""The members of a task's population on their devices.

A member is a run: its own seed and learning rate. Letters: M members, on the
devices padded to a multiple of their number with copies that never train.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gnn_readout import models, optimizers
from gnn_readout.tasks import Task
from gnn_readout.training import sharding as spread
from gnn_readout.training import task_step

# Evaluation is on the same examples in every run, whatever its seed.
_EVALUATION_SEED = 2**31 - 1


class Program:
  """Members that share a compiled step.

  Attributes:
    active: [M] bool, on the host; members that are not do not train.
  """

  def __init__(
    self,
    task: Task,
    optimizer: task_step.MakeOptimizer,
    rates: Sequence[float],
    seeds: Sequence[int],
    num_eval_sets: int,
    chunk_size: int = 0,
  ):
    """Initialises the members.

    Args:
      task: The task.
      optimizer: Makes the optimiser of a member from its learning rate.
      rates: M learning rates.
      seeds: M seeds.
      num_eval_sets: Examples of validation, and as many of testing.
      chunk_size: A batch is computed in parts of so many examples; 0: whole.

    Raises:
      ValueError: If a batch cannot be cut into such parts.
    """
    batch = jax.eval_shape(task.sample, jax.random.key(0))
    size = jax.tree.leaves(batch)[0].shape[0]
    if chunk_size and size % chunk_size:
      raise ValueError(
        f"chunk_size must divide the {size} examples of a batch, got"
        f" {chunk_size}"
      )
    num_chunks = size // (chunk_size or size)
    self._num_members = len(rates)
    self._mesh = spread.member_mesh(len(rates))
    over = functools.partial(spread.over_members, mesh=self._mesh)
    init = over(task_step.make_init(task, optimizer))
    advance = task_step.make_advance(task, optimizer, num_chunks)
    self._advance = over(advance, shared=(2,), donate=(3,))
    self._evaluate = over(task_step.make_evaluate(task), shared=(1,))
    self._choose = over(_choose, donate=(2,))
    self._rates = self._place(np.array(rates))
    self.active = np.ones(len(rates), bool)
    self._state = init(self._rates, self._place(np.array(seeds, np.int32)))
    # The program takes over the memory of the state.
    self._best = jax.tree.map(jnp.copy, self._state.params)
    self._valid, self._test = (
      spread.place(
        _cut(task_step.draw_batches(sample, key, num_eval_sets), chunk_size),
        self._mesh,
        is_shared=True,
      )
      for sample, key in zip(
        (task.sample_valid, task.sample_test),
        jax.random.split(jax.random.key(_EVALUATION_SEED)),
        strict=True,
      )
    )

  @property
  def num_devices(self) -> int:
    """How many devices the members are spread over."""
    return self._mesh.size

  @property
  def num_parameters(self) -> int:
    """Of one member."""
    return models.count_parameters(self._state.params) // self._padded_size()

  def advance(self, steps: int) -> None:
    """Trains the active members for some steps, and waits for them.

    The first call compiles the step, even for no steps.
    """
    extra = self._padded_size() - self._num_members
    active = spread.place(np.pad(self.active, (0, extra)), self._mesh)
    count = np.int32(steps)
    self._state = self._advance(self._rates, active, count, self._state)
    jax.block_until_ready(self._state)

  def faults(self) -> list[str]:
    """Returns what was not finite in which step of each member, or ''."""
    return [
      f"the {task_step.QUANTITIES[what]} was not finite at step {step}"
      if step >= 0
      else ""
      for step, what in self._fetch(self._state.fault)
    ]

  def take_sums(self) -> dict[str, np.ndarray]:
    """Returns the sums [M] of a step's scalars since the last call."""
    sums = self._fetch(self._state.sums)
    zeros = jax.tree.map(np.zeros_like, sums)
    self._state = self._state._replace(sums=self._place(zeros))
    return sums

  def score_valid(self) -> dict[str, np.ndarray]:
    """Returns the scalars [M] of all members as they are."""
    return self._fetch(self._evaluate(self._state.params, self._valid))

  def score_test(self) -> dict[str, np.ndarray]:
    """Returns the scalars [M] of the best parameters of all members."""
    return self._fetch(self._evaluate(self._best, self._test))

  def keep_best(self, better: np.ndarray) -> None:
    """Keeps the parameters of the members where [M] bool is true."""
    better = self._place(better)
    self._best = self._choose(better, self._state.params, self._best)

  def best(self) -> list[Any]:
    """Returns the best parameters of each member, on the host."""
    best = self._fetch(self._best)
    return [
      jax.tree.map(lambda x, m=m: x[m], best) for m in range(self._num_members)
    ]

  def arrays(self) -> Any:
    """Returns all that changes, on the host: what a checkpoint holds.

    It does not depend on the number of devices.
    """
    return self._fetch({"state": self._state, "best": self._best})

  def load(self, arrays: Any) -> None:
    """Goes on from what `arrays` returned."""
    arrays = self._place(arrays)
    self._state, self._best = arrays["state"], arrays["best"]

  def _padded_size(self) -> int:
    return spread.padded_size(self._num_members, self._mesh)

  def _place(self, tree: Any) -> Any:
    """Moves arrays of one entry per member to the devices."""
    # The program takes over memory, which must not be shared with numpy.
    return jax.device_put(
      spread.padded(tree, self._mesh),
      spread.sharding(self._mesh),
      may_alias=False,
    )

  def _fetch(self, tree: Any) -> Any:
    """Returns arrays of one entry per member on the host."""
    return jax.tree.map(
      lambda x: np.asarray(x)[: self._num_members], jax.device_get(tree)
    )


def from_configs(task: Task, configs: Sequence[ConfigDict]) -> Program:
  """Returns the program of the members with these configs.

  Args:
    task: The task.
    configs: They differ in no field but `members.OF_TASKS`.
  """
  first = configs[0]
  fields = {"schedule": "constant", "warmup_steps": 0}
  fields |= first.optimizer.to_dict() | {"num_steps": first.num_steps}
  del fields["learning_rate"]
  return Program(
    task,
    functools.partial(optimizers.make_optimizer, **fields),
    [config.optimizer.learning_rate for config in configs],
    [config.seed for config in configs],
    first.num_eval_sets,
    first.get("chunk_size", 0),
  )


def _cut(batches: Any, chunk_size: int) -> Any:
  """Cuts K batches [K, B, ...] into chunks, if they can be."""
  size = jax.tree.leaves(batches)[0].shape[1]
  if not chunk_size or size % chunk_size:
    return batches
  return jax.tree.map(
    lambda x: x.reshape(-1, chunk_size, *x.shape[2:]), batches
  )


def _choose(choice: jax.Array, first: Any, second: Any) -> Any:
  return jax.tree.map(lambda x, y: jnp.where(choice, x, y), first, second)
