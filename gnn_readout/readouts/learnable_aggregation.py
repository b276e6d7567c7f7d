"""LAF: a ratio of learned powers of sums of learned powers."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout

# Least value of the denominator.
_EPSILON = 1e-6


class LearnableAggregation(Readout):
  """y = (alpha L_ab(x) + beta L_cd(1-x)) / (gamma L_ef(x) + delta L_gh(1-x)).

  L_ab(x) = (sum_i x_i^b)^a, with elements brought into [0, 1] by a sigmoid;
  0 for the empty set. With alpha = a = b = gamma = e = 1, all others 0, it is
  the mean; e = 0 makes it the sum; a = 1/b and large b then the maximum. Each
  sum is taken relative to its largest term, so that large exponents do not
  underflow.

  Parameters: `exponents` [8, U], a to h, and `weights` [4, U], alpha to delta,
  shared by all features, drawn from U(0, 1). a to h, gamma and delta are used
  by their absolute values, alpha and beta as they are: the minimum,
  1 - max(1 - x), needs beta = -1.

  Differs from the paper: there gamma and delta may be negative, and nothing
  keeps the denominator from 0; here it is at least 1e-6.

  Memory is O(4 U N D).

  Reference: Pellegrini et al. 2021, "Learning Aggregation Functions", eq. 2.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: LearnableAggregation(num_units=2)(x, sets))
    >>> pool.apply(pool.init(jax.random.key(0)), None).values.shape
    (3, 8)
  """

  family = "learned means"
  reduces_to = "sum, mean, max, min, count, by exponents"

  def __init__(
    self,
    num_units: int = 1,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_units: U, the number of such functions of each feature.
      output_size: D_out, or None for U D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_units` is not positive.
    """
    super().__init__(output_size, name)
    if num_units < 1:
      raise ValueError(f"num_units must be positive, got {num_units}.")
    self._num_units = num_units

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, U D]."""
    units, width, dtype = self._num_units, elements.shape[1], elements.dtype
    uniform = hk.initializers.RandomUniform(0, 1)
    exponents = hk.get_parameter("exponents", (8, units), dtype, uniform)
    weights = hk.get_parameter("weights", (4, units), dtype, uniform)
    # Axes: above or below the bar, x or 1 - x, outer or inner, unit, feature.
    exponents = jnp.abs(exponents).reshape(2, 2, 2, units, 1)
    weights = weights.reshape(2, 2, units, 1)
    sums = _log_power_sums(elements, exponents[:, :, 1], sets)
    terms = jnp.exp(exponents[:, :, 0] * sums)  # [S, 2, 2, U, D]
    above = jnp.sum(weights[0] * terms[:, 0], axis=1)  # [S, U, D]
    below = jnp.sum(jnp.abs(weights[1]) * terms[:, 1], axis=1)  # [S, U, D]
    values = above / jnp.maximum(below, _EPSILON)
    filled = sets.sizes[:, None] > 0  # [S, 1]
    return jnp.where(filled, values.reshape(-1, units * width), 0)


def _log_power_sums(elements: Array, exponents: Array, sets: Sets) -> Array:
  """Returns log sum_i v_i^b, v = sigmoid(x) and 1 - v, 0 for the empty set.

  Args:
    elements: x [N, D].
    exponents: b [2, 2, U, 1], not negative; on the second axis for v and 1 - v.
    sets: Which set each element belongs to.

  Returns:
    [S, 2, 2, U, D].
  """
  width = elements.shape[1]
  both = jnp.concatenate([elements, -elements], axis=1)  # [N, 2 D]
  highest = segments.max(jax.lax.stop_gradient(both), sets)  # [S, 2 D]
  top = jax.nn.log_sigmoid(highest)
  gaps = jax.nn.log_sigmoid(both) - segments.broadcast(top, sets)  # [N, 2 D]
  powers = jnp.exp(exponents * gaps.reshape(-1, 1, 2, 1, width))
  shape = powers.shape[1:]  # [2, 2, U, D]
  sums = segments.sum(powers.reshape(len(elements), -1), sets)
  sums = jnp.where(sums > 0, sums, 1).reshape(-1, *shape)
  return exponents * top.reshape(-1, 1, 2, 1, width) + jnp.log(sums)
