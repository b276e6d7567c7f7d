"""Featurewise maximum of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Max(Readout):
  """y_d = max_i x_id, and 0 for the empty set.

  Reference: Qi et al. 2017, "PointNet", eq. 1.

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: Max()(x, sets).values)
    >>> pool.apply({}, None).tolist()
    [[3.0, 8.0], [0.0, 0.0], [5.0, 5.0]]
  """

  family = "moments"
  columnwise = True

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.max(elements, sets)
