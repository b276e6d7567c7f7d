"""Coefficients of a readout: fixed or learned, for all features or for each."""

from __future__ import annotations

import dataclasses
import math

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

# A coefficient that divides stays this far from 0.
_LEAST = 1e-3


@dataclasses.dataclass(frozen=True)
class Coefficient:
  """A number such as a temperature.

  Attributes:
    name: What the argument and the parameter are called.
    initial: Its value, at initialisation if it is learned.
    learn: Whether it is a parameter.
    per_channel: Whether each feature has its own.
    divides: Whether it must not be 0. Learning may take it through 0: within
      1e-3 of it the value is +-1e-3, its gradient that of the value taken.
  """

  name: str
  initial: float
  learn: bool
  per_channel: bool
  divides: bool = False

  def __post_init__(self):
    """Checks the fields."""
    if not math.isfinite(self.initial):
      raise ValueError(f"{self.name} must be finite, got {self.initial}.")
    if self.divides and self.initial == 0:
      raise ValueError(f"{self.name} must not be 0, got {self.initial}.")
    if self.per_channel and not self.learn:
      raise ValueError("per_channel must be False unless learn is True.")

  def __call__(self, elements: Array) -> Array:
    """Returns the coefficient, a scalar or [D], for elements [N, D]."""
    value = jnp.asarray(self.initial, elements.dtype)
    if self.learn:
      shape = elements.shape[-1:] if self.per_channel else ()
      init = hk.initializers.Constant(self.initial)
      value = hk.get_parameter(self.name, shape, elements.dtype, init)
    if not self.divides:
      return value
    limit = jnp.where(value < 0, -_LEAST, _LEAST)
    taken = jnp.where(jnp.abs(value) < _LEAST, limit, value)
    return value + jax.lax.stop_gradient(taken - value)
