"""OGB's GIN layer, with edge features."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.layers.encoders import embedding_table
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.norm import BatchNorm
from gnn_readout.message_passing.base import Layer
from gnn_readout.message_passing.messages import Edges, relu_sum


class GINLayer(Layer):
  """h_v = MLP((1 + eps) h_v + sum_u relu(h_u + e_uv)).

  MLP = Linear D -> 2D, BatchNorm, ReLU, Linear 2D -> D; eps learned from 0.

  Reference: Xu et al. 2019, eq. 4.1; Hu et al. 2020.
  """

  @staticmethod
  def multiply_adds(width: int) -> int:
    """Returns those of the MLP, for one node."""
    return 4 * width**2

  def __call__(
    self, h: Array, edges: Edges, mask: Array, is_training: bool
  ) -> tuple[Array, None]:
    """Returns node states [N, D] from h [N, D], and no auxiliary loss.

    Args:
      h: [N, D].
      edges: The edges.
      mask: [N] bool, false for padding.
      is_training: Whether this is a training step.
    """
    table = embedding_table(
      "bonds", self._edge_sizes, edges.features.shape[1], self._width, h.dtype
    )
    epsilon = hk.get_parameter("epsilon", (), h.dtype, jnp.zeros)
    weight = edges.mask.astype(h.dtype)  # [E]
    h = (1 + epsilon) * h + relu_sum(h, table, weight, edges)  # [N, D]
    h = Linear(2 * self._width, name="linear_1")(h)  # [N, 2D]
    h = BatchNorm(name="norm")(h, mask, is_training)
    h = Linear(self._width, name="linear_2")(jax.nn.relu(h))  # [N, D]
    return h, None
