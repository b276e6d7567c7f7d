"""Optimisers, and how their learning rate changes in the course of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from gnn_readout.options import OPTIONS

# The epochs after which the schedule 'halving' halves the learning rate.
_HALVING_EPOCHS = 50

# The factor on the learning rate, from the share of all steps done and the
# number of epochs done, neither of them rounded. That of 'plateau' comes from
# outside, see `rate_factor`.
SCHEDULES = {
  "constant": lambda share, epochs: jnp.ones_like(share),
  "cosine": lambda share, epochs: (
    0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(share, 1)))
  ),
  "halving": lambda share, epochs: 0.5 ** jnp.floor(epochs / _HALVING_EPOCHS),
  "plateau": lambda share, epochs: jnp.ones_like(share),
}


# Those whose factor depends on the share: with them a longer run is another one
# from its first step on.
OF_LENGTH = frozenset({"cosine"})

# Among the traced values of a member, the factor of the schedule 'plateau'.
RATE_FACTOR = "rate_factor"


class Average(NamedTuple):
  """The state of an optimiser that averages the parameters, see `averaging`.

  Attributes:
    params: The average.
    count: [] int32, updates that are in it.
    inner: The state of the optimiser that makes the updates.
  """

  params: Any
  count: Array
  inner: Any


def make_optimizer(
  learning_rate: float | Array,
  schedule: str,
  warmup_steps: int,
  num_steps: int,
  steps_per_epoch: int = 1,
  weight_decay: float | Array = 0.0,
  clip_norm: float = 0.0,
  accumulate_steps: int = 1,
  ema_decay: float = 0.0,
  plateau_factor: float = 0.5,
  plateau_patience: int = 10,
) -> optax.GradientTransformation:
  """Returns Adam, its learning rate constant or scheduled, or AdamW.

  The gradient is first averaged over steps, then clipped.

  Args:
    learning_rate: Largest learning rate; may be traced, so that the members of
      a population can each have their own.
    schedule: 'constant', 'cosine' for a half cosine down to 0, 'halving' for
      half the rate after every 50 epochs, or 'plateau'.
    warmup_steps: Over so many steps the rate grows linearly from near 0.
    num_steps: Steps of the whole run.
    steps_per_epoch: Number of steps per epoch, used by 'halving'.
    weight_decay: Weight decay of AdamW (Loshchilov and Hutter 2019): every
      parameter shrinks by rate times this times itself; may be traced. 0: none.
    clip_norm: A gradient of a larger norm, over all parameters, is scaled down
      to it. 0: none is.
    accumulate_steps: Parameters change after so many steps, by their mean
      gradient.
    ema_decay: Decay of the moving average of the parameters; 0: none is kept.
    plateau_factor: Argument of `rate_factor`; it is not used here.
    plateau_patience: Argument of `rate_factor`; it is not used here.
  """
  del plateau_factor, plateau_patience
  rate = learning_rate
  if schedule not in ("constant", "plateau") or warmup_steps:

    def rate(updates: Array) -> Array:
      real = jnp.result_type(float)
      step = jnp.asarray(updates * accumulate_steps, real)
      ends = step + accumulate_steps
      warmup = jnp.minimum(1, ends / max(warmup_steps, 1))
      factor = SCHEDULES[schedule](step / num_steps, step / steps_per_epoch)
      most = jnp.asarray(learning_rate, real)
      return most * warmup * factor

  if isinstance(weight_decay, float | int) and not weight_decay:
    optimizer = optax.adam(rate)
  else:
    optimizer = optax.adamw(rate, weight_decay=weight_decay)
  if clip_norm:
    clip = optax.clip_by_global_norm(clip_norm)
    optimizer = optax.chain(clip, optimizer)
  if ema_decay:
    optimizer = averaging(optimizer, ema_decay)
  if accumulate_steps > 1:
    # Its own choice is single precision, whatever the gradients are.
    several = optax.MultiSteps(
      optimizer, accumulate_steps, accumulator_dtype=jnp.result_type(float)
    )
    optimizer = several.gradient_transformation()
  return optimizer


def of_member(
  fields: Mapping[str, Any],
  hyper: Mapping[str, Array],
  num_steps: int,
  steps_per_epoch: int = 1,
) -> optax.GradientTransformation:
  """Returns the optimiser of a member of a program.

  Args:
    fields: Fields of the config's part `optimizer`; traced ones have their
      values.
    hyper: All that is traced of the member, with the factor of its learning
      rate if it has one.
    num_steps: As `make_optimizer` takes it.
    steps_per_epoch: As `make_optimizer` takes it.
  """
  fields = {"schedule": "constant", "warmup_steps": 0, **fields}
  if RATE_FACTOR in hyper:
    fields["learning_rate"] = fields["learning_rate"] * hyper[RATE_FACTOR]
  return make_optimizer(
    **fields, num_steps=num_steps, steps_per_epoch=steps_per_epoch
  )


def averaging(
  optimizer: optax.GradientTransformation, decay: float
) -> optax.GradientTransformation:
  """Returns an optimiser that also averages the parameters it comes to.

  e_t = sum_i decay^(t - i) p_i / sum_i decay^(t - i), over the parameters p_1
  to p_t after each update: what they start from has no weight.

  Args:
    optimizer: Makes the updates.
    decay: Decay per step, at least 0 and less than 1.

  Reference: Kingma and Ba 2015, "Adam", section 7.2.
  """

  def init(params: Any) -> Average:
    zero = jnp.zeros((), jnp.int32)
    return Average(
      jax.tree.map(jnp.array, params), zero, optimizer.init(params)
    )

  def update(
    grads: Any, state: Average, params: Any = None
  ) -> tuple[Any, Average]:
    updates, inner = optimizer.update(grads, state.inner, params)
    count = state.count + 1
    # (1 - decay) / (1 - decay^t), which is 1 at first.
    t = count.astype(jnp.result_type(float))
    weight = (1 - decay) / -jnp.expm1(t * jnp.log(decay))
    average = jax.tree.map(
      lambda e, p: (
        (1 - weight).astype(e.dtype) * e + weight.astype(e.dtype) * p
      ),
      state.params,
      optax.apply_updates(params, updates),
    )
    return updates, Average(average, count, inner)

  return optax.GradientTransformation(init, update)


def averaged(opt_state: Any, params: Any) -> Any:
  """Returns the average of the parameters, or these if none is kept.

  Args:
    opt_state: State of an optimiser of `make_optimizer`.
    params: What it updates.
  """
  leaves = jax.tree.leaves(opt_state, is_leaf=_is_average)
  return next((x.params for x in leaves if _is_average(x)), params)


def with_average(opt_state: Any, params: Any) -> Any:
  """Returns the state with other parameters as their average, if one is kept.

  Args:
    opt_state: As `averaged` takes it, before the first update.
    params: What the average is until then.
  """
  return jax.tree.map(
    lambda x: x._replace(params=params) if _is_average(x) else x,
    opt_state,
    is_leaf=_is_average,
  )


def _is_average(x: Any) -> bool:
  return isinstance(x, Average)


def follows_scores(fields: Mapping[str, Any]) -> bool:
  """Returns whether the learning rate depends on scores, see `rate_factor`.

  Args:
    fields: Fields of the config's part `optimizer`.
  """
  return fields.get("schedule") == "plateau"


def rate_factor(
  fields: Mapping[str, Any], scores: Sequence[float], sign: int
) -> float:
  """Returns the factor of the learning rate after some evaluations.

  Whenever more than `plateau_patience` evaluations in a row were no better than
  the best one before, the rate is multiplied by `plateau_factor`, and they are
  counted anew; PyTorch's `ReduceLROnPlateau` with a threshold of 0 does the
  same.

  Args:
    fields: Fields of the config's part `optimizer`.
    scores: Scores of all evaluations on 'valid', in order.
    sign: -1 if a lower score is a better one, else 1.
  """
  factor, patience = (
    fields.get(name, OPTIONS[f"optimizer.{name}"].default)
    for name in ("plateau_factor", "plateau_patience")
  )
  result, best, worse = 1.0, float("-inf"), 0
  for score in scores:
    is_better = sign * score > best
    best = max(best, sign * score)
    worse = 0 if is_better else worse + 1
    if worse > patience:
      result, worse = result * factor, 0
  return result
