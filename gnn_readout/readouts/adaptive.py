"""Attention whose query is taken from the set."""

from __future__ import annotations

import haiku as hk
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import initialisers
from gnn_readout.layers.set_attention import check_counts, check_heads
from gnn_readout.readouts.base import Aggregate, Readout, without_loss

QUERIES = {"mean": segments.mean, "max": segments.max}


class Adaptive(Readout):
  """y = q + W^O concat_h sum_i a_hi W^V_h x_i, q the mean of the set.

  a_h = softmax_i(W^Q_h q . W^K_h x_i / sqrt(D/H)) over the elements of a set:
  attention as in `attention`, with a query that depends on the set. Where some
  of the elements are signal and the others noise it can take the mean of the
  signal, whatever its share, if a query near the signal is at hand. The empty
  set gives 0.

  Differs from the paper: its query is one of the elements, chosen by the task
  (the agent, the patch in the middle); in a set none is distinguished, so that
  it is their centroid, as in the authors' variant for images, or their maximum.

  Reference: Brothers 2025, "Robust Noise Attenuation via Adaptive Pooling of
  Transformer Outputs", AdaPool.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: Adaptive(num_heads=2)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "attention"
  reduces_to = "the query itself, without values (W^V = 0)"
  weighs = True

  def __init__(
    self,
    num_heads: int = 4,
    query: str = "mean",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_heads: H, which must divide D.
      query: What q is of the elements: "mean", or "max" feature by feature.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_heads` is not positive or `query` unknown.
    """
    super().__init__(output_size, name)
    check_counts(num_heads=num_heads)
    if query not in QUERIES:
      raise ValueError(
        f"query must be one of {', '.join(QUERIES)}, got {query!r}."
      )
    self._num_heads = num_heads
    self._query = QUERIES[query]

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D] and the weights a [N, H]."""
    width, heads = elements.shape[1], self._num_heads
    check_heads(heads, width)
    shape = (-1, heads, width // heads)  # [., H, E]
    init, _ = initialisers("pytorch", width, width)
    query_map, key_map, value_map, out_map = (
      hk.get_parameter(name, (width, width), elements.dtype, init)
      for name in ("query", "key", "value", "out")
    )
    chosen = self._query(elements, sets)  # [S, D]
    # The smaller side is scaled: see `set_attention.attend_dense`.
    queries = chosen @ query_map * shape[-1] ** -0.5  # [S, D]
    products = segments.broadcast(queries, sets) * (elements @ key_map)
    scores = jnp.sum(products.reshape(shape), axis=-1)  # [N, H]
    weights = segments.softmax(scores, sets)  # [N, H]
    values = (elements @ value_map).reshape(shape)  # [N, H, E]
    weighted = (weights[..., None] * values).reshape(elements.shape)
    values = chosen + segments.sum(weighted, sets) @ out_map
    return without_loss(values, weights)
