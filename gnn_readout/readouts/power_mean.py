"""Power mean of the elements, with a learned exponent."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout
from gnn_readout.readouts.coefficients import Coefficient


class PowerMean(Readout):
  """y_d = ((1 / n) sum_i x_id^p)^(1/p), 0 for the empty set.

  Elements are first clipped to [minimum, maximum], as powers of negative
  numbers are not real; so the readout suits elements after a ReLU. The
  harmonic mean at p = -1, the geometric mean as p -> 0, the arithmetic mean at
  p = 1, the maximum as p grows. It is computed from logarithms, so that no
  power overflows; a p learned through 0 keeps a distance of 1e-3 from it.

  Differs from the paper: it names no treatment of numbers that are not
  positive. The limits are those of PyTorch Geometric's PowerMeanAggregation,
  which clips the mean of the powers once more (and so caps y at 100^(1/p)), and
  clips nothing where p is fixed at 1. Neither is done here.

  Reference: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs",
  PowerMean_Agg.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: PowerMean(p=2.0)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "learned means"
  reduces_to = "mean (p = 1), geometric (p → 0), max (p → ∞)"

  def __init__(
    self,
    p: float = 1.0,
    learn: bool = True,
    per_channel: bool = False,
    minimum: float = 1e-4,
    maximum: float = 100.0,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      p: Exponent, at initialisation if it is learned; not 0.
      learn: Whether p is a parameter.
      per_channel: Whether each feature has its own p.
      minimum: Smaller elements are raised to it.
      maximum: Larger elements are lowered to it.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `p` is 0 or not finite, or is `per_channel` but not
        learned, or unless 0 < `minimum` < `maximum`.
    """
    super().__init__(output_size, name)
    if not 0 < minimum < maximum:
      raise ValueError(
        "minimum and maximum must satisfy 0 < minimum < maximum, got "
        f"{minimum} and {maximum}."
      )
    self._p = Coefficient("p", p, learn, per_channel, divides=True)
    self._limits = minimum, maximum

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    p = self._p(elements)
    logs = jnp.log(jnp.clip(elements, *self._limits))  # [N, D]
    values = jnp.exp(segments.log_mean_exp(p * logs, sets) / p)  # [S, D]
    return jnp.where(sets.sizes[:, None] > 0, values, 0)
