"""Sum over the elements divided by the root of their number."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class VariancePreserving(Readout):
  """y = (1 / sqrt(n)) sum_i x_i, and 0 for the empty set.

  The geometric mean of sum and mean: elements that are independent, of mean 0
  and variance 1, give a y of variance 1 for any n. PyTorch Geometric's
  VariancePreservingAggregation is the same.

  Reference: Schneckenreiter et al. 2024, "GNN-VPA: A Variance-Preserving
  Aggregation Strategy for Graph Neural Networks".

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([4, 0, 1]), num_elements=6)
    >>> pool = hk.transform(lambda x: VariancePreserving()(x, sets).values)
    >>> pool.apply({}, None, jnp.ones((6, 2))).tolist()
    [[2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]
  """

  family = "moments"
  carries_faults = True

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    total = segments.sum(elements, sets)  # [S, D]
    count = jnp.maximum(sets.sizes, 1).astype(total.dtype)
    return total * count[:, None] ** -0.5
