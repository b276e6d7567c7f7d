"""Optimisers, and how their learning rate changes in the course of a run."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from jax import Array

# The epochs after which the schedule 'halving' halves the learning rate.
_HALVING_EPOCHS = 50

# The factor on the learning rate, from the share of all steps done and the
# number of epochs done, neither of them rounded.
SCHEDULES = {
  "constant": lambda share, epochs: jnp.ones_like(share),
  "cosine": lambda share, epochs: (
    0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(share, 1)))
  ),
  "halving": lambda share, epochs: 0.5 ** jnp.floor(epochs / _HALVING_EPOCHS),
}


# Those whose factor depends on the share: with them a longer run is another one
# from its first step on.
OF_LENGTH = frozenset({"cosine"})


def make_optimizer(
  learning_rate: float | Array,
  schedule: str,
  warmup_steps: int,
  num_steps: int,
  steps_per_epoch: int = 1,
) -> optax.GradientTransformation:
  """Returns Adam, its learning rate constant or scheduled.

  Args:
    learning_rate: Largest learning rate; may be traced, so that the members of
      a population can each have their own.
    schedule: 'constant', 'cosine' for a half cosine down to 0, or 'halving'
      for half the rate after every 50 epochs.
    warmup_steps: Over so many steps the rate grows linearly from near 0.
    num_steps: Steps of the whole run.
    steps_per_epoch: For 'halving'.
  """
  if schedule == "constant" and not warmup_steps:
    return optax.adam(learning_rate)

  def rate(step: Array) -> Array:
    warmup = jnp.minimum(1, (step + 1) / max(warmup_steps, 1))
    factor = SCHEDULES[schedule](step / num_steps, step / steps_per_epoch)
    return jnp.asarray(learning_rate, jnp.result_type(float)) * warmup * factor

  return optax.adam(rate)
