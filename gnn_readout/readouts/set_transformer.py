"""Set Transformer: self-attention, pooling by attention, self-attention."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers.set_attention import (
  AttentionPooling,
  InducedSetAttention,
  SetAttention,
  check_counts,
  in_turn,
)
from gnn_readout.readouts.base import Readout


class SetTransformer(Readout):
  """y = SAB(PMA_k(SAB(SAB(X)))), the k rows of a set concatenated.

  SAB is self-attention among the elements, PMA_k attention from k learned
  seeds. The empty set gives 0. Without encoder and decoder blocks it is
  pooling by attention alone.

  SAB attends to all elements of the set: sum_s n_s^2 pairs, in tiles that are
  computed again for the gradient, so that memory is O(N D). With
  `num_inducing_points` = m the encoder is ISAB_m instead: N m pairs, for large
  sets.

  Differs from the paper: the row-wise network at the end is left to the layers
  that follow; LayerNorm is off by default, as in the authors' program. The
  blocks are those of PyTorch Geometric, where an empty set may give what the
  seeds alone give.

  Reference: Lee et al. 2019, "Set Transformer", eq. 12-15.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 4)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: SetTransformer()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 4)
  """

  family = "attention"
  reduces_to = "attention, without encoder and decoder"

  def __init__(
    self,
    num_seeds: int = 1,
    num_encoder_blocks: int = 2,
    num_decoder_blocks: int = 1,
    num_heads: int = 4,
    num_inducing_points: int | None = None,
    layer_norm: bool = False,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_seeds: k.
      num_encoder_blocks: Blocks on the elements; may be 0.
      num_decoder_blocks: Blocks on the k rows; may be 0.
      num_heads: H, which must divide D.
      num_inducing_points: m of ISAB, or None for SAB.
      layer_norm: Whether the blocks normalise.
      output_size: D_out, or None for k D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive, or one of blocks is negative.
    """
    super().__init__(output_size, name)
    check_counts(num_seeds=num_seeds, num_heads=num_heads)
    blocks = dict(
      num_encoder_blocks=num_encoder_blocks,
      num_decoder_blocks=num_decoder_blocks,
    )
    for argument, count in blocks.items():
      if count < 0:
        raise ValueError(f"{argument} must not be negative, got {count}.")
    if num_inducing_points is not None:
      check_counts(num_inducing_points=num_inducing_points)
    self._num_seeds = num_seeds
    self._num_encoders = num_encoder_blocks
    self._num_decoders = num_decoder_blocks
    self._attention = num_heads, layer_norm
    self._encoder: Callable[..., SetAttention | InducedSetAttention] = (
      SetAttention
    )
    if num_inducing_points is not None:
      self._encoder = functools.partial(
        InducedSetAttention, num_inducing_points
      )

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, k D]."""
    encoders = [
      functools.partial(
        self._encoder(*self._attention, name=f"encoder_{k}"), sets=sets
      )
      for k in range(self._num_encoders)
    ]
    elements, faulty = in_turn(encoders, elements, sets)  # [N, D], [S]
    pooling = AttentionPooling(
      self._num_seeds, *self._attention, name="pooling"
    )
    rows = pooling(elements, sets)  # [S, k, D]
    for k in range(self._num_decoders):
      rows = SetAttention(*self._attention, name=f"decoder_{k}")(rows)
    values = rows.reshape(sets.num_segments, -1)  # [S, k D]
    values = jnp.where((sets.sizes > 0)[:, None], values, 0)
    return jnp.where(faulty[:, None], jnp.nan, values)
