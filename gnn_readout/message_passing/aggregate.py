"""Any readout as the neighbourhood aggregator of a message-passing layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import haiku as hk
import jax
from jax import Array

from gnn_readout.layers.encoders import embedding_table
from gnn_readout.layers.mlp import Linear
from gnn_readout.message_passing.base import Layer
from gnn_readout.message_passing.messages import Edges, relu_messages
from gnn_readout.readouts import make_readout, split_weight


class AggregateLayer(Layer):
  """h_v = readout({relu(x_u + e_uv) : u -> v}) + relu(x_v + r) / d_v.

  x = h W + b; e_uv the encoded edge; r a learned vector; d_v 1 plus the number
  of edges that leave v. It is OGB's GCN layer with the weighted sum replaced:
  the messages that reach a node are a set like the nodes of a graph, and the
  same code aggregates both.

  Differs from the paper: which layer surrounds the local aggregation is not
  printed there.

  Reference: Bartunov et al. 2022, section 5.3 and D.2.
  """

  def __init__(
    self,
    width: int,
    edge_sizes,
    aggregator: Mapping[str, Any] | None = None,
    name: str | None = None,
  ):
    """Creates the layer.

    Args:
      width: D.
      edge_sizes: Vocabulary sizes of the edge features.
      aggregator: A readout's part of a config: `name`, `aux_weight` and its own
        arguments; the sum by default.
      name: Haiku's name of the module.

    Raises:
      ValueError: if no readout has its name.
    """
    super().__init__(width, edge_sizes, name)
    self._aggregator, self._aux_weight = split_weight(
      aggregator or {"name": "sum"}
    )

  @staticmethod
  def multiply_adds(width: int) -> int:
    """Returns those of W, for one node, without those of the readout."""
    return width**2

  def __call__(
    self, h: Array, edges: Edges, mask: Array, is_training: bool
  ) -> tuple[Array, Array]:
    """Returns node states [N, D] and the readout's weighted loss [N]."""
    del mask
    x = Linear(self._width, name="linear")(h)
    table = embedding_table(
      "bonds", self._edge_sizes, edges.features.shape[1], self._width, x.dtype
    )
    root = hk.get_parameter(
      "root", (self._width,), x.dtype, hk.initializers.RandomNormal()
    )
    messages = relu_messages(x, table, edges)  # [E, D]
    pool = make_readout(output_size=self._width, **self._aggregator)
    received = pool(messages, edges.sets(), is_training)
    degree = (edges.outgoing.degree + 1).astype(x.dtype)[:, None]  # [N, 1]
    own = jax.nn.relu(x + root) / degree
    return received.values + own, self._aux_weight * received.aux_loss
