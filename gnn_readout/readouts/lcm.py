"""Learnable commutative monoid: a balanced tree of a symmetric GRU.

Depends on the order of the elements.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets, make_sets
from gnn_readout.layers import recurrent
from gnn_readout.layers.mlp import Linear
from gnn_readout.readouts.base import Readout


class LCM(Readout):
  """y = x_1 * x_2 * ... * x_n along a balanced tree, of relu(W x_i + b).

  u * v = (GRU(u, v) + GRU(v, u))/2 is commutative, but nothing makes it
  associative: pairs of neighbours are joined, then pairs of these, and what is
  left over waits for the next level. Which elements meet depends on their
  order; `order_dependence` measures by how much it matters. Depth is
  O(log n), where that of `gru` is O(n). The empty set gives 0.

  As PyTorch Geometric's LCMAggregation, but for sets that are smaller than the
  largest of the batch: there zeros take part in the tree.

  Reference: Ong and Veličković 2022, "Learnable Commutative Monoids for Graph
  Neural Networks".

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: LCM()(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "sequences"

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    units = self._output_size or elements.shape[1]  # U
    gates = recurrent.make_gates(units, units, 3, elements.dtype)
    values = jax.nn.relu(Linear(units, name="project")(elements))  # [N, U]

    # As deep as the largest set there could be.
    for _ in range(max(len(elements) - 1, 0).bit_length()):
      values, sets = _join_pairs(gates, values, sets)
    return segments.sum(values, sets)  # At most one of each set is left.


def _join(gates: recurrent.Gates, first: Array, second: Array) -> Array:
  """Returns u * v, the same for v * u."""
  return (
    recurrent.gru(gates, gates.of_input(first), second)
    + recurrent.gru(gates, gates.of_input(second), first)
  ) / 2


# Compiled by itself, as every level has another length: called op by op, all
# operations of all levels would be compiled one by one.
@jax.jit
def _join_pairs(
  gates: recurrent.Gates, values: Array, sets: Sets
) -> tuple[Array, Sets]:
  """Returns one value for two neighbours of a set, and one that is left over.

  The (n + 1)//2 values of all sets are at most (N + S)//2.
  """
  length = len(values)
  sizes = (sets.sizes + 1) // 2
  joined = make_sets(sizes, min(length, (length + sets.num_segments) // 2))
  place = 2 * segments.places(joined)
  starts = jnp.cumsum(sets.sizes, dtype=jnp.int32) - sets.sizes
  rows = segments.broadcast(starts, joined) + place
  first, second = (values.at[rows + k].get(mode="clip") for k in (0, 1))
  is_pair = place + 1 < segments.broadcast(sets.sizes, joined)
  values = jnp.where(is_pair[:, None], _join(gates, first, second), first)
  return segments.masked(values, joined), joined
