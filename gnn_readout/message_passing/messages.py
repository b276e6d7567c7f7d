"""What every message-passing layer needs to know of a batch's edges."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import jraph
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout.layers import encoders


@dataclasses.dataclass(frozen=True)
class Edges:
  """The edges of a batch, prepared once for all layers.

  Attributes:
    features: [E, F] multi-hot or real-valued edge features.
    senders: [E] int32.
    receivers: [E] int32, ascending.
    mask: [E] bool, false for padding.
    degree: [N], 1 plus the number of edges that leave each node.
    scale: [E], (d_u d_v)^-1/2; 0 for padding.
    num_nodes: N.
  """

  features: Array
  senders: Array
  receivers: Array
  mask: Array
  degree: Array
  scale: Array
  num_nodes: int

  def sum(self, messages: Array) -> Array:
    """Returns [N, D], the sum of the messages that reach each node."""
    return jax.ops.segment_sum(
      messages, self.receivers, self.num_nodes, indices_are_sorted=True
    )


def prepare(graphs: jraph.GraphsTuple, edge_sizes) -> Edges:
  """Returns the edges of a batch.

  Padding edges keep their place on the last, unused, node: what they send
  reaches no real node.

  Args:
    graphs: A padded batch with receivers in ascending order.
    edge_sizes: Vocabulary sizes of the edge features, or empty.
  """
  mask = graphs_lib.edge_mask(graphs)  # [E]
  num_nodes = jax.tree.leaves(graphs.nodes)[0].shape[0]
  features = graphs.edges
  if edge_sizes:
    features = encoders.multi_hot(features, edge_sizes)
  dtype = jnp.result_type(float)
  leaving = jnp.zeros(num_nodes, dtype).at[graphs.senders].add(mask)
  degree = leaving + 1
  norm = jax.lax.rsqrt(degree)  # [N]
  scale = norm[graphs.senders] * norm[graphs.receivers] * mask  # [E]
  return Edges(
    features, graphs.senders, graphs.receivers, mask, degree, scale, num_nodes
  )


def send(x: Array, edges: Edges, encoded: Array) -> Array:
  """Returns relu(x_u + e_uv), [E, D], for every edge."""
  return jax.nn.relu(x[edges.senders] + encoded)
