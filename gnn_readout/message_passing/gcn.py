"""OGB's GCN layer, with edge features."""

from __future__ import annotations

import haiku as hk
import jax
from jax import Array

from gnn_readout.layers.encoders import embedding_table
from gnn_readout.layers.mlp import Linear
from gnn_readout.message_passing.base import Layer
from gnn_readout.message_passing.messages import Edges, relu_sum


class GCNLayer(Layer):
  """h_v = sum_u (d_u d_v)^-1/2 relu(x_u + e_uv) + relu(x_v + r) / d_v.

  x = h W + b; d_v is 1 plus the number of edges that leave v; e_uv the encoded
  edge; r a learned vector.

  Reference: Hu et al. 2020, "Open Graph Benchmark"; Kipf and Welling 2017.
  """

  @staticmethod
  def multiply_adds(width: int) -> int:
    """Returns those of W, for one node."""
    return width**2

  def __call__(
    self, h: Array, edges: Edges, mask: Array, is_training: bool
  ) -> tuple[Array, None]:
    """Returns node states [N, D] from h [N, D], and no auxiliary loss."""
    del mask, is_training
    x = Linear(self._width, name="linear")(h)
    table = embedding_table(
      "bonds", self._edge_sizes, edges.features.shape[1], self._width, x.dtype
    )
    root = hk.get_parameter(
      "root", (self._width,), x.dtype, hk.initializers.RandomNormal()
    )
    degree = (edges.outgoing.degree + 1).astype(x.dtype)  # [N]
    norm = jax.lax.rsqrt(degree)
    weight = norm[edges.senders] * norm[edges.receivers] * edges.mask  # [E]
    received = relu_sum(x, table, weight, edges)  # [N, D]
    return received + jax.nn.relu(x + root) / degree[:, None], None
