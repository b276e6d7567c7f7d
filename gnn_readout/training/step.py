"""One training step of one member, as a pure function.

The randomness of a step follows from the run's seed and the step's number
alone. A step whose loss or gradient is not finite is not done, nor any after
it: what was learned before stays as it is, and says in which step it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import optax
from jax import Array

from gnn_readout import optimizers, shares
from gnn_readout.tasks.base import Functions

# What can stop being finite, by the name of the scalar, in the order in which a
# step computes it.
QUANTITIES = {
  "loss": "loss",
  "aux": "auxiliary loss",
  "grad_norm": "gradient",
}


class State(NamedTuple):
  """Everything that a step reads and writes.

  Attributes:
    params: The model's parameters.
    model_state: The model's running statistics.
    opt_state: The optimiser's moments.
    step: [] int32, steps done.
    key: [2] uint32, key data of the run's seed; never changes.
    fault: [2] int32, the step that was not finite and is not done (-1: none)
      and which of `QUANTITIES` was not.
    sums: Sums of the scalars of all steps since they were last taken: 'loss',
      'grad_norm' and those of the problem.
  """

  params: hk.Params
  model_state: hk.State
  opt_state: optax.OptState
  step: Array
  key: Array
  fault: Array
  sums: dict[str, Array]


class Best(NamedTuple):
  """What is kept of the best state: what predictions are made from.

  Attributes:
    params: The model's parameters, or their average where one is kept.
    model_state: The model's running statistics.
    step: [] int32, steps done.
  """

  params: hk.Params
  model_state: hk.State
  step: Array


def best_of(state: State) -> Best:
  """Returns what is kept of a state."""
  params = optimizers.averaged(state.opt_state, state.params)
  return Best(params, state.model_state, state.step)


def begin_at(best: Best, state: State) -> State:
  """Returns the state that resumes from the best one, with new moments.

  Args:
    best: What is kept of it.
    state: State at step 0.
  """
  opt_state = optimizers.with_average(state.opt_state, best.params)
  return state._replace(**best._asdict(), opt_state=opt_state)


def make_init(functions: Functions) -> Callable[[Any, Array, Any], State]:
  """Returns the function of (hyper, seed, batch) to the state at step 0.

  Args:
    functions: Functions of the problem. Only the shapes of the batch matter.
  """

  def init(hyper: Any, seed: Array, batch: Any) -> State:
    init_key, step_key = jax.random.split(jax.random.key(seed))
    params, model_state = functions.init(hyper, init_key, batch)

    def scalars(params: hk.Params, batch: Any) -> dict[str, Array]:
      if functions.sample:
        batch = functions.sample(init_key)
      loss, (_, scalars) = functions.loss(
        hyper, params, model_state, init_key, batch
      )
      return {**scalars, "grad_norm": loss}

    shapes = jax.eval_shape(scalars, params, batch)
    return State(
      params=params,
      model_state=model_state,
      opt_state=functions.optimizer(hyper).init(params),
      step=jnp.zeros((), jnp.int32),
      key=jax.random.key_data(step_key),
      fault=jnp.array([-1, 0], jnp.int32),
      sums={name: jnp.zeros(x.shape, x.dtype) for name, x in shapes.items()},
    )

  return init


def make_step(
  functions: Functions, axis: str | None = None
) -> Callable[[Any, State, Array, Any], tuple[State, dict[str, Array]]]:
  """Returns (hyper, state, key, batch) -> (next state, named scalars).

  Args:
    functions: Functions of the problem.
    axis: The mesh axis of the devices that have the whole batch each, and are
      dealt its chunks; None if a device has all of them.
  """

  def step(
    hyper: Any, state: State, key: Array, batch: Any
  ) -> tuple[State, dict[str, Array]]:
    grads, (model_state, scalars) = _gradient(
      functions, hyper, state, key, batch, axis
    )
    scalars = {**scalars, "grad_norm": optax.global_norm(grads)}
    updates, opt_state = functions.optimizer(hyper).update(
      grads, state.opt_state, state.params
    )
    number = state.step + 1
    after = State(
      params=optax.apply_updates(state.params, updates),
      model_state=model_state,
      opt_state=opt_state,
      step=number,
      key=state.key,
      fault=state.fault,
      sums={name: x + scalars[name] for name, x in state.sums.items()},
    )
    bad = jnp.stack(
      [
        ~jnp.isfinite(scalars[name]) if name in scalars else jnp.array(False)
        for name in QUANTITIES
      ]
    )
    failed = state.fault[0] >= 0
    fault = jnp.stack([number, bad.argmax().astype(jnp.int32)])
    frozen = state._replace(fault=jnp.where(failed, state.fault, fault))
    stays = failed | bad.any()
    after = jax.tree.map(lambda x, y: jnp.where(stays, x, y), frozen, after)
    return after, scalars

  return step


def make_host_step(
  functions: Functions, axis: str | None = None
) -> Callable[[Any, Array, State, Any], tuple[State, Array]]:
  """Returns (hyper, active, state, batch) -> (next state, its loss).

  A member that is not active stays as it is. The loss is there to be waited
  for: the program takes over the memory of the state.

  Args:
    functions: Functions of a problem whose batches come from the host.
    axis: The mesh axis of the shares of a batch; None if a batch is whole.
  """
  step = make_step(functions)

  def host_step(
    hyper: Any, active: Array, state: State, batch: Any
  ) -> tuple[State, Array]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

    def go() -> tuple[State, Array]:
      with shares.sharded(axis):
        after, scalars = step(hyper, state, shares.own_key(key), batch)
      return after, scalars["loss"]

    def rest() -> tuple[State, Array]:
      return state, jnp.zeros_like(state.sums["loss"])

    if active is None:  # A lone member, which nothing waits for.
      return go()
    return jax.lax.cond(active & (state.fault[0] < 0), go, rest)

  return host_step


def make_advance(
  functions: Functions, axis: str | None = None
) -> Callable[[Any, Array, Array, State], State]:
  """Returns (hyper, active, number of steps, state) -> state after them.

  How the steps are divided into calls changes no bit of the result.

  Args:
    functions: Functions of a problem that draws its batches on the device.
    axis: As `make_step` takes it.

  Raises:
    ValueError: If the problem draws none.
  """
  step, sample = make_step(functions, axis), functions.sample
  if sample is None:
    raise ValueError("batches of this problem come from the host")

  def advance(hyper: Any, active: Array, count: Array, state: State) -> State:
    end = state.step + count

    def is_going(state: State) -> Array:
      return active & (state.fault[0] < 0) & (state.step < end)

    def go(state: State) -> State:
      key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
      sample_key, loss_key = jax.random.split(key)
      return step(hyper, state, loss_key, sample(sample_key))[0]

    return jax.lax.while_loop(is_going, go, state)

  return advance


def _gradient(
  functions: Functions,
  hyper: Any,
  state: State,
  key: Array,
  batch: Any,
  axis: str | None,
) -> tuple[Any, tuple[hk.State, dict[str, Array]]]:
  """Returns the gradient and (model state, scalars), chunk by chunk.

  Those of a batch in shares, or of chunks that are dealt to the devices of a
  mesh axis, are the same on all of these.
  """

  def of_batch(model_state: hk.State, key: Array, batch: Any) -> Any:
    def objective(params: hk.Params) -> tuple[Array, Any]:
      return functions.loss(hyper, params, model_state, key, batch)

    grads, (model_state, scalars) = jax.grad(objective, has_aux=True)(
      state.params
    )
    grads, scalars = shares.total((grads, scalars))
    return grads, (model_state, scalars)

  num_chunks = functions.num_chunks
  if num_chunks == 1:
    return of_batch(state.model_state, key, batch)
  chunks = jax.tree.map(
    lambda x: x.reshape(num_chunks, -1, *x.shape[1:]), batch
  )
  keys = jax.random.split(key, num_chunks)
  if axis is not None:
    own = num_chunks // jax.lax.axis_size(axis)
    start = own * jax.lax.axis_index(axis)
    keys, chunks = jax.tree.map(
      lambda x: jax.lax.dynamic_slice_in_dim(x, start, own), (keys, chunks)
    )

  def add(carry: Any, chunk: Any) -> tuple[Any, None]:
    model_state, total = carry
    grads, (model_state, scalars) = of_batch(model_state, *chunk)
    return (model_state, jax.tree.map(jnp.add, total, (grads, scalars))), None

  first = jax.tree.map(lambda x: x[0], (keys, chunks))
  grads, (_, scalars) = jax.eval_shape(of_batch, state.model_state, *first)
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (grads, scalars))
  (model_state, total), _ = jax.lax.scan(
    add, (state.model_state, zeros), (keys, chunks)
  )
  if axis is not None:
    total = jax.lax.psum(total, axis)
  grads, scalars = jax.tree.map(lambda x: x / num_chunks, total)
  return grads, (model_state, scalars)


def fault_of(fault: Any) -> str:
  """Returns what was not finite in which step, or '' if all was.

  Args:
    fault: [2], that of a `State`.
  """
  step, quantity = (int(x) for x in fault)
  if step < 0:
    return ""
  return (
    f"the {list(QUANTITIES.values())[quantity]} was not finite at step {step}"
  )
