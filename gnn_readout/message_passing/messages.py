"""Messages along edges, summed at their receivers: the sparse half of a layer.

`relu_sum` is the one operation OGB's layers need, and `neighbour_sum` what is
left of it without a ReLU and features of the edges. Written plainly it makes
four [E, D] arrays and a scatter forward, and as many backward. Here the
messages are never stored: molecules have few bonds per atom, so the sum over
incoming edges is a sum over a few slots, each a gather that fuses with the
addition, the ReLU and the weight. Edges beyond the slots, rare in molecules,
go through a scatter that runs only when there are any; so do all edges of dense
graphs, such as those of social networks, a chunk at a time.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout.graphs import Sets
from gnn_readout.layers import encoders

# Slots per node. Four hold all bonds of nearly every atom.
_NUM_SLOTS = 4
# Where a larger share of the edges is beyond the slots, as in graphs with hubs,
# slots gain nothing.
_MANY_BEYOND = 0.2
# Nor do they in batches with more edges per node than this.
_MAX_DENSITY = 3.0
# Numbers in the messages that a CPU computes at a time: what a core's cache
# holds. All of a dense graph's would be written to memory and read again.
_CHUNK = 1 << 16
# A larger product of vocabularies is not worth a table of its own.
_MAX_CODES = 1024


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Adjacency:
  """The edges on one side of every node, as a range of `order`.

  Attributes:
    order: [E] int32, edges sorted by node.
    start: [N] int32, where each node's edges begin in `order`.
    degree: [N] int32, how many there are; padding edges do not count.
    slot: [E] int32, the place of each edge among those of its node.
  """

  order: Array
  start: Array
  degree: Array
  slot: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Edges:
  """The edges of a batch, prepared once for all layers.

  Attributes:
    senders: [E] int32.
    receivers: [E] int32, ascending.
    mask: [E] bool, false for padding.
    incoming: The edges that reach each node.
    outgoing: The edges that leave each node.
    features: [E, F'] edge features, see `encoders.raw_features`.
    codes: [E] int32, which combination of categories each edge has, or None
      if some features are real numbers or there are too many combinations.
    combinations: [C, F'] multi-hot features of each code, or None.
  """

  senders: Array
  receivers: Array
  mask: Array
  incoming: Adjacency
  outgoing: Adjacency
  features: Array
  codes: Array | None
  combinations: Array | None

  @property
  def num_nodes(self) -> int:
    """Number of nodes, N; it is static."""
    return self.incoming.start.shape[0]

  def sets(self) -> Sets:
    """Returns the messages that reach each node as a set."""
    ids = jnp.where(self.mask, self.receivers, self.num_nodes)
    return Sets(ids, self.mask, self.incoming.degree)

  def sum(self, messages: Array) -> Array:
    """Returns [N, D], the sum of the messages [E, D] that reach each node."""
    return jax.ops.segment_sum(
      messages, self.receivers, self.num_nodes, indices_are_sorted=True
    )


def prepare(graphs: jraph.GraphsTuple, edge_sizes: Sequence[int]) -> Edges:
  """Returns the edges of a batch.

  Args:
    graphs: A padded batch with receivers in ascending order.
    edge_sizes: Vocabulary size of each categorical edge feature; real numbers
      come after those.
  """
  graphs = jax.tree.map(jnp.asarray, graphs)
  mask = graphs_lib.edge_mask(graphs)  # [E]
  num_nodes = jax.tree.leaves(graphs.nodes)[0].shape[0]
  features, codes, combinations = graphs.edges, None, None
  dtype = jnp.result_type(float)
  if features is None:
    features = jnp.zeros((mask.shape[0], 0), dtype)
  if features.shape[1] == len(edge_sizes) and (
    math.prod(edge_sizes) <= _MAX_CODES
  ):
    codes = jnp.zeros(mask.shape, jnp.int32)
    for f, size in enumerate(edge_sizes):
      codes = codes * size + features[:, f].astype(jnp.int32)
    combinations = jnp.asarray(_combinations(tuple(edge_sizes)), dtype)
  features = encoders.raw_features(features, edge_sizes)
  return Edges(
    graphs.senders,
    graphs.receivers,
    mask,
    _adjacency(graphs.receivers, mask, num_nodes, is_sorted=True),
    _adjacency(graphs.senders, mask, num_nodes, is_sorted=False),
    features.astype(dtype),
    codes,
    combinations,
  )


def _combinations(sizes: tuple[int, ...]) -> np.ndarray:
  """Returns [prod(sizes), sum(sizes)], multi-hot, in the order of the codes."""
  rows = [
    np.concatenate([np.eye(n)[i] for n, i in zip(sizes, c, strict=True)])
    if sizes
    else np.zeros(0)
    for c in itertools.product(*map(range, sizes))
  ]
  return np.stack(rows)


def _adjacency(nodes, mask, num_nodes, is_sorted) -> Adjacency:
  num_edges = nodes.shape[0]
  positions = jnp.arange(num_edges, dtype=jnp.int32)
  nodes = jnp.where(mask, nodes, num_nodes)  # Padding belongs to no node.
  order = positions if is_sorted else jnp.argsort(nodes).astype(jnp.int32)
  degree = jnp.zeros(num_nodes, jnp.int32).at[nodes].add(1, mode="drop")
  start = jnp.cumsum(degree) - degree  # [N]
  rank = positions
  if not is_sorted:
    rank = (
      jnp.zeros_like(positions).at[order].set(positions, unique_indices=True)
    )
  slot = rank - start.at[nodes].get(mode="clip")
  return Adjacency(order, start, degree, jnp.where(mask, slot, 0))


def relu_sum(x: Array, table: Array, weight: Array, edges: Edges) -> Array:
  """Returns y_v = sum_{u -> v} w_uv relu(x_u + e_uv), e = features . table.

  Args:
    x: [N, D].
    table: [F', D], what each edge feature adds to a message.
    weight: [E], constants (no gradient); 0 for padding.
    edges: The edges.

  Returns:
    [N, D].
  """
  num_edges = edges.senders.shape[0]
  dense = num_edges > _MAX_DENSITY * edges.num_nodes
  if edges.codes is None or dense or not num_edges:
    return edges.sum(relu_messages(x, table, edges) * weight[:, None])
  return _relu_sum(x, table, weight, edges)


def neighbour_sum(x: Array, edges: Edges, symmetric: bool = False) -> Array:
  """Returns y_v = sum_{u -> v} x_u [N, D]; padding edges do not count.

  Args:
    x: [N, D].
    edges: The edges.
    symmetric: Whether the inverse of every edge is known to be there too. Then
      the gradient is a sum over the same neighbours, and the edges need not be
      sorted by sender.
  """
  return _neighbour_sum(symmetric, x, edges)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _neighbour_sum(symmetric, x, edges):
  del symmetric
  return _sum_far_ends(x, edges.incoming, edges.receivers, edges.senders, edges)


def _neighbour_sum_forward(symmetric, x, edges):
  return _neighbour_sum(symmetric, x, edges), edges


def _neighbour_sum_backward(symmetric, edges, dy):
  if symmetric:
    return _neighbour_sum(symmetric, dy, edges), None
  return _sum_far_ends(
    dy, edges.outgoing, edges.senders, edges.receivers, edges
  ), None


_neighbour_sum.defvjp(_neighbour_sum_forward, _neighbour_sum_backward)


def _sum_far_ends(x, adjacency, near, far, edges):
  """Returns [N, D], for every node the sum of x at the far ends of its edges.

  Args:
    x: [N, D].
    adjacency: The edges of each node.
    near: [E], the node whose edge it is.
    far: [E], the node at the other end.
    edges: The same edges.
  """

  def scatter(chosen):
    return _sum_chunks(x, jnp.where(chosen, near, edges.num_nodes), far)

  def value(edge, valid):
    return jnp.where(valid[:, None], _take(x, _take(far, edge)), 0)

  num_edges = far.shape[0]
  if num_edges > _MAX_DENSITY * edges.num_nodes or not num_edges:
    return scatter(edges.mask)
  return _sum_slots(adjacency, edges.mask, value, scatter)


def _sum_chunks(x: Array, near: Array, far: Array) -> Array:
  """Returns [N, D], the sum of x[far] at near; N for edges that do not count.

  Args:
    x: [N, D].
    near: [E] int32.
    far: [E] int32.
  """
  num_edges, (num_nodes, width) = far.shape[0], x.shape
  on_cpu = jax.default_backend() == "cpu"
  size = max(_CHUNK // max(width, 1), 1) if on_cpu else num_edges

  def add(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
    near, far = chunk
    return total.at[near].add(_take(x, far), mode="drop"), None

  if num_edges <= size:
    return add(jnp.zeros_like(x), (near, far))[0]
  extra = -num_edges % size
  near = jnp.pad(near, (0, extra), constant_values=num_nodes)
  far = jnp.pad(far, (0, extra))
  chunks = near.reshape(-1, size), far.reshape(-1, size)
  return jax.lax.scan(add, jnp.zeros_like(x), chunks)[0]


def relu_messages(x: Array, table: Array, edges: Edges) -> Array:
  """Returns relu(x_u + e_uv) [E, D], e = features . table; see `relu_sum`."""
  encoded = jnp.matmul(
    edges.features, table, precision=jax.lax.Precision.HIGHEST
  )
  return jax.nn.relu(x[edges.senders] + encoded)


def _take(array: Array, index: Array) -> Array:
  """Returns array[index] without bounds checks, which cost a fused gather."""
  return array.at[index].get(mode="promise_in_bounds")


def _sum_slots(adjacency: Adjacency, mask: Array, value, scatter) -> Array:
  """Returns [N, D], value(e) [N, D] summed over the edges e of each node.

  Args:
    adjacency: Which edges each node has.
    mask: [E] bool, false for padding.
    value: Maps edges e [N] and their validity [N] to what they add, [N, D].
    scatter: Maps the validity [E] of edges to the [N, D] they add up to; for
      those beyond the slots, or for all where many are beyond.
  """
  num_edges = adjacency.order.shape[0]
  beyond = adjacency.slot >= _NUM_SLOTS  # [E]

  def by_slots():
    total = 0.0
    for k in range(_NUM_SLOTS):
      place = jnp.minimum(adjacency.start + k, num_edges - 1)
      edge = _take(adjacency.order, place)
      total = total + value(edge, adjacency.degree > k)
    return jax.lax.cond(
      jnp.any(beyond), lambda t: t + scatter(beyond), lambda t: t, total
    )

  def by_scatter():
    return scatter(mask)

  many = jnp.sum(beyond) > _MANY_BEYOND * num_edges
  return jax.lax.cond(many, by_scatter, by_slots)


@jax.custom_vjp
def _relu_sum(x, table, weight, edges):
  bonds = edges.combinations @ table  # [C, D]

  def message(x_u, edge):
    return jax.nn.relu(x_u + _take(bonds, _take(edges.codes, edge)))

  def value(edge, valid):
    w = jnp.where(valid, _take(weight, edge), 0)[:, None]
    return w * message(_take(x, _take(edges.senders, edge)), edge)

  def scatter(beyond):
    every = jnp.arange(edges.senders.shape[0])
    w = jnp.where(beyond, weight, 0)[:, None]
    return edges.sum(w * message(_take(x, edges.senders), every))

  return _sum_slots(edges.incoming, edges.mask, value, scatter)


def _relu_sum_forward(x, table, weight, edges):
  return _relu_sum(x, table, weight, edges), (x, table, weight, edges)


def _relu_sum_backward(residuals, dy):
  x, table, weight, edges = residuals
  bonds = edges.combinations @ table  # [C, D]
  active = _take(x, edges.senders) + _take(bonds, edges.codes) > 0  # [E, D]
  dm = jnp.where(
    active, weight[:, None] * _take(dy, edges.receivers), 0
  )  # [E, D]

  def value(edge, valid):
    return jnp.where(valid[:, None], _take(dm, edge), 0)

  def scatter(beyond):
    return jax.ops.segment_sum(
      jnp.where(beyond[:, None], dm, 0), edges.senders, edges.num_nodes
    )

  dx = _sum_slots(edges.outgoing, edges.mask, value, scatter)
  d_table = jnp.matmul(
    edges.features.T, dm, precision=jax.lax.Precision.HIGHEST
  )
  return dx, d_table, None, None


_relu_sum.defvjp(_relu_sum_forward, _relu_sum_backward)
