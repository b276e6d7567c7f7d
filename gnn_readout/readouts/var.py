"""Featurewise variance of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Var(Readout):
  """y = (1 / n) sum_i (x_i - mu)^2, mu = (1 / n) sum_i x_i.

  It is 0 for one element and for none. PyTorch Geometric's VarAggregation is
  the same in exact arithmetic; it takes E[x^2] - mu^2, which loses the digits
  of a spread much smaller than the mean, and can be negative.

  Reference: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph
  Nets", section 2.

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: Var()(x, sets).values)
    >>> pool.apply({}, None).tolist()
    [[1.0, 9.0], [0.0, 0.0], [0.0, 0.0]]
  """

  family = "moments"
  columnwise = True
  carries_faults = True

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.var(elements, sets)
