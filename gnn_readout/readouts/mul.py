"""Product of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Mul(Readout):
  """y = x_1 x_2 ... x_n, feature by feature, and 1 for the empty set.

  It grows and shrinks exponentially with the size of the set: of elements near
  1 it is close to 1 plus the sum of their distances from 1, of others it leaves
  the range of the numbers.

  As PyTorch Geometric's MulAggregation.

  Reference: Kortvelesy et al. 2023, "Generalised f-Mean Aggregation for Graph
  Neural Networks", of which it is the case f = log, a = 1.

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: Mul()(x, sets).values)
    >>> pool.apply({}, None).tolist()
    [[3.0, 16.0], [1.0, 1.0], [5.0, 5.0]]
  """

  family = "moments"

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.prod(elements, sets)
