"""The last state of a GRU that reads the elements; depends on their order."""

from __future__ import annotations

from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers import recurrent
from gnn_readout.readouts.base import Readout


class GRU(Readout):
  """y = h_n, h_i = GRU(x_i, h_{i-1}), h_0 = 0.

  It depends on the order of the elements. The empty set gives 0.

  As PyTorch Geometric's GRUAggregation, but for sets that are shorter than the
  longest of the batch: there the GRU goes on through zeros to its end.

  Reference: Buterez et al. 2022, "Graph Neural Networks with Adaptive
  Readouts", GRU.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: GRU()(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "sequences"

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    units = self._output_size or elements.shape[1]
    return recurrent.last_hidden(recurrent.GRU, units, elements, sets)
