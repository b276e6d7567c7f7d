"""Graph Multiset Transformer: pool to k rows, self-attention, pool to one."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers.set_attention import (
  AttentionPooling,
  SetAttention,
  check_counts,
)
from gnn_readout.readouts.base import Readout


class MultisetTransformer(Readout):
  """y = GMPool_1(SelfAtt(GMPool_k(X))).

  GMPool_k is attention from k learned seeds to the elements, SelfAtt attention
  among the k rows that result. The empty set gives 0. As all attention over
  the elements starts from seeds, time is O(N k) and memory O(N k D).

  Differs from the paper: keys and values are linear maps of the elements, not
  graph convolutions (GMPool where the paper's first is GMPool^G), as in PyTorch
  Geometric; a graph's edges are not seen. LayerNorm is off by default, as
  there. An empty set gives 0; there it is NaN, or what the seeds alone give,
  by the version of PyTorch.

  Reference: Baek et al. 2021, "Accurate Learning of Graph Representations with
  Graph Multiset Pooling", section 3.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 4)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: MultisetTransformer()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 4)
  """

  family = "attention"

  def __init__(
    self,
    num_seeds: int = 8,
    num_blocks: int = 1,
    num_heads: int = 4,
    layer_norm: bool = False,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_seeds: k.
      num_blocks: SelfAtt blocks; may be 0.
      num_heads: H, which must divide D.
      layer_norm: Whether the blocks normalise.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive, or `num_blocks` negative.
    """
    super().__init__(output_size, name)
    check_counts(num_seeds=num_seeds, num_heads=num_heads)
    if num_blocks < 0:
      raise ValueError(f"num_blocks must not be negative, got {num_blocks}.")
    self._num_seeds = num_seeds
    self._num_blocks = num_blocks
    self._attention = num_heads, layer_norm

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    pool = AttentionPooling(self._num_seeds, *self._attention, name="pool_k")
    rows = pool(elements, sets)  # [S, k, D]
    for k in range(self._num_blocks):
      rows = SetAttention(*self._attention, name=f"block_{k}")(rows)
    rows = AttentionPooling(1, *self._attention, name="pool_1")(rows)
    return jnp.where((sets.sizes > 0)[:, None], rows[:, 0], 0)  # [S, D]
