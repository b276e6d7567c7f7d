"""Featurewise median of the elements."""

from __future__ import annotations

from gnn_readout.readouts.quantile import Quantile


class Median(Quantile):
  """y_d = median_i x_id, and 0 for the empty set.

  Of an even number of elements it is the mean of the two in the middle, which
  share the gradient.

  Differs from PyTorch Geometric's MedianAggregation, which takes the lower of
  the two: `interpolation="lower"` here.

  Reference: Bartunov et al. 2022, "Equilibrium Aggregation: Encoding Sets via
  Optimization", section 5.1, where it is the target.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.arange(5.0)[:, None], make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: Median()(x, s).values)
    >>> f.apply({}, None, x, sets).tolist()
    [[0.5], [3.0]]
  """

  family = "order statistics"
  reduces_to = ""

  def __init__(
    self,
    interpolation: str = "midpoint",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      interpolation: Between the two in the middle, as of `Quantile`.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `interpolation` is unknown.
    """
    super().__init__(0.5, interpolation, output_size, name)
