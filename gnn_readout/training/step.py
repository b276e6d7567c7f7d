"""One training step, as a pure function of (state, batch).

Nothing here knows how many devices there are: with state and batch placed on a
mesh the same function runs on all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import optax
from jax import Array

from gnn_readout.metrics import Loss
from gnn_readout.models import Model

# What can stop being finite, in the order in which a step computes it.
QUANTITIES = ("loss", "auxiliary loss", "gradient")


class TrainState(NamedTuple):
  """Everything that a step reads and writes.

  Attributes:
    params: The model's parameters.
    model_state: The model's running statistics.
    opt_state: The optimiser's moments.
    step: [] int32, steps done.
    key: [2] uint32, key data of the run's seed; never changes.
    fault: [2] int32, the first step that was not finite (-1: none yet) and
      which of `QUANTITIES` was not.
  """

  params: hk.Params
  model_state: hk.State
  opt_state: optax.OptState
  step: Array
  key: Array
  fault: Array


TrainStep = Callable[
  [TrainState, jraph.GraphsTuple], tuple[TrainState, dict[str, Array]]
]


def init_state(
  model: Model,
  optimizer: optax.GradientTransformation,
  batch: jraph.GraphsTuple,
  seed: int,
) -> TrainState:
  """Returns the state before the first step.

  Args:
    model: From `build_model`.
    optimizer: From `make_optimizer`.
    batch: Any batch; only its shapes matter.
    seed: Of the parameters and of every step's randomness.
  """
  init_key, step_key = jax.random.split(jax.random.key(seed))
  params, model_state = model.init(init_key, batch)
  return TrainState(
    params=params,
    model_state=model_state,
    opt_state=optimizer.init(params),
    step=jnp.zeros((), jnp.int32),
    key=jax.random.key_data(step_key),
    fault=jnp.array([-1, 0], jnp.int32),
  )


def make_train_step(
  model: Model, loss_fn: Loss, optimizer: optax.GradientTransformation
) -> TrainStep:
  """Returns the jitted step, which takes over the memory of its state.

  loss = masked task loss + mean of the auxiliary loss over the real graphs.
  The randomness of a step follows from the seed and the step's number alone.

  Args:
    model: From `build_model`.
    loss_fn: From `metrics.masked_loss`.
    optimizer: From `make_optimizer`.

  Returns:
    A function of (state, batch) to (next state, metrics): 'loss' (the task's),
    'aux', 'grad_norm' and the diagnostics of the model, scalars on the device.
  """

  def objective(
    params: hk.Params, state: TrainState, key: Array, batch: jraph.GraphsTuple
  ) -> tuple[Array, Any]:
    output, model_state = model.apply(
      params, state.model_state, key, batch, is_training=True
    )
    mask = batch.globals["mask"]  # [G]
    loss = loss_fn(output.logits, batch.globals["labels"], mask)
    aux = jnp.where(mask, output.aux_loss, 0).sum() / jnp.maximum(mask.sum(), 1)
    metrics = {"loss": loss, "aux": aux, **output.diagnostics}
    return loss + aux, (model_state, metrics)

  def step(
    state: TrainState, batch: jraph.GraphsTuple
  ) -> tuple[TrainState, dict[str, Array]]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    grads, (model_state, metrics) = jax.grad(objective, has_aux=True)(
      state.params, state, key, batch
    )
    metrics["grad_norm"] = optax.global_norm(grads)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    number = state.step + 1
    watched = [metrics[name] for name in ("loss", "aux", "grad_norm")]
    bad = ~jnp.isfinite(jnp.stack(watched))  # [len(QUANTITIES)]
    is_first = bad.any() & (state.fault[0] < 0)
    fault = jnp.stack([number, bad.argmax().astype(jnp.int32)])
    next_state = state._replace(
      params=optax.apply_updates(state.params, updates),
      model_state=model_state,
      opt_state=opt_state,
      step=number,
      fault=jnp.where(is_first, fault, state.fault),
    )
    return next_state, metrics

  return jax.jit(step, donate_argnums=0)


def check_finite(state: TrainState) -> None:
  """Raises ValueError naming the first step and quantity not finite so far."""
  step, quantity = jax.device_get(state.fault).tolist()
  if step >= 0:
    raise ValueError(
      f"the {QUANTITIES[quantity]} was not finite at step {step}; a smaller"
      " optimizer.learning_rate may help"
    )
