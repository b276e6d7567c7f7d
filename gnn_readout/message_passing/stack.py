"""OGB's stack of message-passing layers."""

from __future__ import annotations

from collections.abc import Callable

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout import segments
from gnn_readout.layers.mlp import check_rate, dropout
from gnn_readout.layers.norm import BatchNorm
from gnn_readout.message_passing import messages
from gnn_readout.message_passing.virtual_node import VirtualNodeUpdate


class MessagePassing(hk.Module):
  """L times: layer, BatchNorm, ReLU (not after the last), dropout.

  With a virtual node v (one per graph, from a learned vector that starts at
  zero), h_l <- h_l + v before each layer, and v is updated from h_l after each
  layer but the last. The result is h_L, or sum_l h_l with `jumping="sum"`.

  Reference: Hu et al. 2020 and its published program.
  """

  def __init__(
    self,
    layer: Callable[..., hk.Module],
    width: int,
    num_layers: int,
    dropout_rate: float,
    edge_sizes: tuple[int, ...],
    virtual_node: bool = False,
    jumping: str = "last",
    name: str | None = None,
  ):
    """Creates the stack.

    Args:
      layer: Makes a layer from its width, edge sizes and name.
      width: D.
      num_layers: L.
      dropout_rate: Probability of a zero after each layer; may be traced.
      edge_sizes: Vocabulary sizes of the edge features.
      virtual_node: Whether each graph has a virtual node.
      jumping: `last` or `sum`.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    if jumping not in ("last", "sum"):
      raise ValueError(f"jumping must be 'last' or 'sum', got {jumping!r}.")
    if num_layers < 1 or width < 1:
      raise ValueError(
        f"num_layers and width must be positive, got {num_layers} and {width}."
      )
    check_rate("dropout", dropout_rate)
    self._layer = layer
    self._width = width
    self._num_layers = num_layers
    self._dropout_rate = dropout_rate
    self._edge_sizes = edge_sizes
    self._virtual_node = virtual_node
    self._jumping = jumping

  def __call__(
    self, h: Array, graphs: jraph.GraphsTuple, is_training: bool
  ) -> tuple[Array, Array]:
    """Returns node states [N, D] and the layers' auxiliary losses [G].

    Args:
      h: [N, D], encoded nodes.
      graphs: A padded batch.
      is_training: Whether this is a training step.

    Returns:
      The states, and for each graph the mean over its nodes of the layers'
      auxiliary losses, added up over the layers.
    """
    sets = graphs_lib.node_sets(graphs)
    edges = messages.prepare(graphs, self._edge_sizes)
    graph_mask = graphs_lib.graph_mask(graphs)  # [G]
    if self._virtual_node:
      start = hk.get_parameter(
        "virtual_node", (self._width,), h.dtype, jnp.zeros
      )
      v = jnp.broadcast_to(start, (sets.num_segments, self._width))  # [G, D]
    states, aux_losses = [], []
    for i in range(self._num_layers):
      last = i == self._num_layers - 1
      if self._virtual_node:
        h = h + segments.broadcast(v, sets)
      states.append(h)
      x, aux = self._layer(self._width, self._edge_sizes, name=f"layer_{i}")(
        h, edges, sets.mask, is_training
      )
      if aux is not None:
        aux_losses.append(segments.mean(aux[:, None], sets)[:, 0])
      x = BatchNorm(name=f"norm_{i}")(x, sets.mask, is_training)
      if not last:
        x = jax.nn.relu(x)
      x = dropout(x, self._dropout_rate, is_training)
      if self._virtual_node and not last:
        update = VirtualNodeUpdate(
          self._width, self._dropout_rate, name=f"virtual_node_{i}"
        )
        v = update(v, h, sets, graph_mask, is_training)
      h = x
    states.append(h)
    aux_loss = sum(aux_losses, jnp.zeros(sets.num_segments, h.dtype))  # [G]
    return (h if self._jumping == "last" else sum(states)), aux_loss
