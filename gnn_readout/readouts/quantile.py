"""Featurewise quantiles of the elements."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Quantile(Readout):
  """y = concat_q x_((n-1) q), the element of each feature at each level q.

  x_(0) <= ... <= x_(n-1) are the sorted elements; a place between two of them
  is interpolated. q = 0 and 1 are the minimum and the maximum. The empty set
  gives 0.

  Differs from PyTorch Geometric's QuantileAggregation in ties of "nearest":
  it rounds the place counted from the start of the batch to an even number,
  so that they depend on the batch; here, as in numpy, from that of the set.

  Reference: Hyndman and Fan 1996, "Sample Quantiles in Statistical Packages",
  definition 7.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.arange(5.0)[:, None], make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: Quantile((0, 0.5))(x, s).values)
    >>> f.apply({}, None, x, sets).tolist()
    [[0.0, 0.5], [2.0, 3.0]]
  """

  family = "order statistics"
  reduces_to = "min, median, max, by level"

  def __init__(
    self,
    q: float | Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    interpolation: str = "linear",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      q: One or more levels in [0, 1]; Q in number. The default is the
        five-number summary.
      interpolation: Interpolation at a place between two elements: "linear",
        "lower", "higher", "nearest" (ties to the even place) or "midpoint".
      output_size: D_out, or None for Q D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there is no level, one is outside of [0, 1], or
        `interpolation` is unknown.
    """
    super().__init__(output_size, name)
    levels = tuple(q) if isinstance(q, Sequence) else (q,)
    if not levels or not all(0 <= level <= 1 for level in levels):
      raise ValueError(f"q must be one or more numbers in [0, 1], got {q}.")
    if interpolation not in segments.INTERPOLATIONS:
      raise ValueError(
        f"interpolation must be one of {sorted(segments.INTERPOLATIONS)}, "
        f"got {interpolation!r}."
      )
    self._levels = levels
    self._interpolation = interpolation

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, Q D]."""
    values = segments.quantile(
      elements, sets, self._levels, self._interpolation
    )  # [S, Q, D]
    return values.reshape(sets.num_segments, -1)  # [S, Q D]
