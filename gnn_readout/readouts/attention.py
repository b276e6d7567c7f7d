"""Multi-head attention with one learned query per head."""

from __future__ import annotations

import haiku as hk
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import XAVIER
from gnn_readout.readouts.base import Aggregate, Readout, without_loss


class Attention(Readout):
  """y = concat_h sum_i a_hi (W^V_h x_i + b^V_h).

  a_h = softmax_i(q_h . W^K_h x_i / sqrt(D/H)) over the elements of a set, with
  D/H keys and values per head and a learned query q_h.

  Because the query does not depend on the set, the order of the products can
  be changed: the scores are x_i . (W^K_h^T q_h), and the values are mapped
  after they have been averaged. That is exact and costs two products of width
  H per element instead of two of width D. Keys take no bias: it would add the
  same number to all scores of a head.

  Reference: Bartunov et al. 2022, section 5.1; Vaswani et al. 2017, eq. 1.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: Attention(num_heads=2)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "attention"
  reduces_to = "mean of mapped elements, where scores are equal"
  carries_faults = True
  weighs = True

  def __init__(
    self,
    num_heads: int = 4,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_heads: H, which must divide D.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_heads` is not positive.
    """
    super().__init__(output_size, name)
    if num_heads < 1:
      raise ValueError(f"num_heads must be positive, got {num_heads}.")
    self._num_heads = num_heads

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D] and the weights a [N, H]."""
    width, heads = elements.shape[-1], self._num_heads
    if width % heads:
      raise ValueError(f"num_heads must divide the width {width}, got {heads}.")
    size = width // heads  # D/H
    dtype = elements.dtype
    key = hk.get_parameter("key", (width, width), dtype, XAVIER)
    value = hk.get_parameter("value", (width, width), dtype, XAVIER)
    bias = hk.get_parameter("value_bias", (width,), dtype, jnp.zeros)
    query = hk.get_parameter(
      "query", (heads, size), dtype, hk.initializers.RandomNormal()
    )
    direction = jnp.einsum("dhk,hk->dh", key.reshape(width, heads, size), query)
    scores = elements @ direction * size**-0.5  # [N, H]
    weights = segments.softmax(scores, sets)  # [N, H]
    means = segments.weighted_sum(weights, elements, sets)  # [S, H, D]
    values = jnp.einsum(
      "shd,dhk->shk", means, value.reshape(width, heads, size)
    )  # [S, H, D/H]
    filled = (sets.sizes > 0).astype(dtype)[:, None]  # [S, 1]
    values = values.reshape(-1, width) + filled * bias  # [S, D]
    return without_loss(values, weights)
