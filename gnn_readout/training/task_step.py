"""A member of a task's population, as pure functions of its state.

Examples are drawn inside the program, so that it runs many steps without the
host. What a step draws follows from the seed and the step's number alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import optax
from jax import Array

from gnn_readout.tasks import Task

# What can stop being finite, in the order in which a step computes it.
QUANTITIES = ("loss", "gradient")

# Of the learning rate, [] and possibly traced.
MakeOptimizer = Callable[[Array], optax.GradientTransformation]


class State(NamedTuple):
  """Everything that a step reads and writes.

  Attributes:
    params: The model's parameters.
    opt_state: The optimiser's moments.
    step: [] int32, steps done.
    key: [2] uint32, key data of the run's seed; never changes.
    fault: [2] int32, the step that was not finite and is not done (-1: none)
      and which of `QUANTITIES` was not.
    sums: Sums of the scalars of all steps since the last evaluation: 'loss',
      'grad_norm' and those of the task.
  """

  params: hk.Params
  opt_state: optax.OptState
  step: Array
  key: Array
  fault: Array
  sums: dict[str, Array]


def make_init(
  task: Task, optimizer: MakeOptimizer
) -> Callable[[Array, Array], State]:
  """Returns the function of (learning rate, seed) to the state at step 0."""
  step = _make_step(task, optimizer, num_chunks=1)

  def init(rate: Array, seed: Array) -> State:
    init_key, step_key = jax.random.split(jax.random.key(seed))
    params = task.init(init_key)
    state = State(
      params=params,
      opt_state=optimizer(rate).init(params),
      step=jnp.zeros((), jnp.int32),
      key=jax.random.key_data(step_key),
      fault=jnp.array([-1, 0], jnp.int32),
      sums={},
    )
    scalars = jax.eval_shape(step, rate, state)[1]
    zeros = {name: jnp.zeros(x.shape, x.dtype) for name, x in scalars.items()}
    return state._replace(sums=zeros)

  return init


def make_advance(
  task: Task, optimizer: MakeOptimizer, num_chunks: int = 1
) -> Callable[[Array, Array, Array, State], State]:
  """Returns the function that trains for some steps.

  Its arguments are the learning rate, whether to train at all, the number of
  steps and the state. How the steps are divided into calls changes no bit of
  the result. A step whose loss or gradient is not finite is not done, nor any
  after it.

  Args:
    task: The task.
    optimizer: Makes the optimiser.
    num_chunks: A batch is cut into so many parts of equal size, one after
      another, and their losses and gradients are averaged. A CPU is faster on
      what fits its cache.
  """
  step = _make_step(task, optimizer, num_chunks)

  def advance(rate: Array, active: Array, count: Array, state: State) -> State:
    end = state.step + count

    def is_going(state: State) -> Array:
      return active & (state.fault[0] < 0) & (state.step < end)

    def go(state: State) -> State:
      after, scalars = step(rate, state)
      sums = {name: state.sums[name] + x for name, x in scalars.items()}
      bad = ~jnp.isfinite(jnp.stack([scalars["loss"], scalars["grad_norm"]]))
      fault = jnp.stack([after.step, jnp.argmax(bad).astype(jnp.int32)])
      frozen = state._replace(fault=fault)
      return jax.tree.map(
        lambda x, y: jnp.where(bad.any(), x, y),
        frozen,
        after._replace(sums=sums),
      )

    return jax.lax.while_loop(is_going, go, state)

  return advance


def make_evaluate(task: Task) -> Callable[[hk.Params, Any], dict[str, Array]]:
  """Returns the function of (parameters, batches) to the means over batches."""

  def evaluate(params: hk.Params, batches: Any) -> dict[str, Array]:
    scalars = jax.lax.map(lambda batch: task.evaluate(params, batch), batches)
    return {name: jnp.mean(values) for name, values in scalars.items()}

  return evaluate


def draw_batches(
  sample: Callable[[Array], Any], key: Array, num_sets: int
) -> Any:
  """Draws batches of at least so many examples in all.

  Args:
    sample: `sample_valid` or `sample_test` of a task; examples lie along the
      first axis of all arrays.
    key: The same key draws the same batches.
    num_sets: How many examples.

  Returns:
    A batch with one more axis, of the batches, in front.
  """
  size = jax.tree.leaves(jax.eval_shape(sample, key))[0].shape[0]
  keys = jax.random.split(key, -(-num_sets // size))
  return jax.jit(lambda keys: jax.lax.map(sample, keys))(keys)


def _make_step(
  task: Task, optimizer: MakeOptimizer, num_chunks: int
) -> Callable[[Array, State], tuple[State, dict[str, Array]]]:
  """Returns (learning rate, state) -> (next state, named scalars)."""
  gradient = jax.value_and_grad(task.loss, has_aux=True)

  def mean_gradient(params: hk.Params, key: Array, batch: Any) -> Any:
    if num_chunks == 1:
      return gradient(params, key, batch)
    chunks = jax.tree.map(
      lambda x: x.reshape(num_chunks, -1, *x.shape[1:]), batch
    )
    keys = jax.random.split(key, num_chunks)

    def add(total: Any, chunk: Any) -> tuple[Any, None]:
      return jax.tree.map(jnp.add, total, gradient(params, *chunk)), None

    first = jax.tree.map(lambda x: x[0], (keys, chunks))
    shapes = jax.eval_shape(gradient, params, *first)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, (keys, chunks))
    return jax.tree.map(lambda x: x / num_chunks, total)

  def step(rate: Array, state: State) -> tuple[State, dict[str, Array]]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    sample_key, loss_key = jax.random.split(key)
    (loss, scalars), grads = mean_gradient(
      state.params, loss_key, task.sample(sample_key)
    )
    norm = optax.global_norm(grads)
    updates, opt_state = optimizer(rate).update(
      grads, state.opt_state, state.params
    )
    after = state._replace(
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      step=state.step + 1,
    )
    return after, {**scalars, "loss": loss, "grad_norm": norm}

  return step
