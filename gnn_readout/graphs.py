"""From a padded jraph.GraphsTuple to sets: the one place that knows padding.

Shape glossary, used all over the package:

* N: nodes of a batch, or elements of all its sets, padding included.
* E: directed edges of a batch, padding included.
* G: graphs of a batch, padding graphs included.
* S: sets (segments); the graphs of a batch or the receivers of messages.
* D: features.
* T: inner steps, or prediction tasks where no inner loop is in sight.
* H: heads.

A batch holds its real graphs first. The first padding graph owns every padding
node and edge; the ones after it are empty.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import jraph
from jax import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Edges:
  """The edges among the elements of each set.

  Attributes:
    senders: [E] int32, rows of the elements.
    receivers: [E] int32, of the same set as the senders.
    mask: [E] bool, false for padding.
  """

  senders: Array
  receivers: Array
  mask: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sets:
  """Which set each element belongs to.

  Attributes:
    segment_ids: [N] int32, ascending. Elements of no set (padding) carry S,
      one past the last set, so that segment sums drop them.
    mask: [N] bool, false for padding.
    sizes: [S] int32, the number of elements of each set; zero is allowed.
    edges: Where the sets are the nodes of graphs, those of the graphs, for
      readouts that look at them; else None.
  """

  segment_ids: Array
  mask: Array
  sizes: Array
  edges: Edges | None = None

  @property
  def num_segments(self) -> int:
    """Number of sets, S; it is static."""
    return self.sizes.shape[0]


def make_sets(sizes: Array, num_elements: int) -> Sets:
  """Returns consecutive sets of the given sizes.

  Args:
    sizes: [S] int32, the number of elements of each set, in order.
    num_elements: N. Elements past the sum of the sizes are padding.

  Returns:
    The sets.

  Raises:
    ValueError: if `sizes` is not a vector of integers, or (where the values
      are known) holds a negative number or sums to more than N.
  """
  sizes = jnp.asarray(sizes)
  if sizes.ndim != 1 or not jnp.issubdtype(sizes.dtype, jnp.integer):
    raise ValueError(
      "sizes must be a vector of integers, got shape "
      f"{sizes.shape} and dtype {sizes.dtype}."
    )
  if not isinstance(sizes, jax.core.Tracer) and sizes.size:
    if int(sizes.min()) < 0:
      raise ValueError(f"sizes must not be negative, got {int(sizes.min())}.")
    if int(sizes.sum()) > num_elements:
      raise ValueError(
        f"sizes sum to {int(sizes.sum())}, more than"
        f" num_elements={num_elements}."
      )
  ends = jnp.cumsum(sizes, dtype=jnp.int32)  # [S]
  positions = jnp.arange(num_elements, dtype=jnp.int32)  # [N]
  # A comparison with every end costs less than a scatter and vectorises.
  if sizes.shape[0] <= 4096:
    ids = jnp.sum(positions[:, None] >= ends[None, :], axis=1, dtype=jnp.int32)
  else:
    ids = jnp.searchsorted(ends, positions, side="right").astype(jnp.int32)
  return Sets(ids, ids < sizes.shape[0], sizes.astype(jnp.int32))


def sets_from_ids(segment_ids: Array, mask: Array, num_segments: int) -> Sets:
  """Returns sets given by ascending ids, such as the messages of each node.

  Args:
    segment_ids: [N] int32, ascending over the elements whose mask is true.
    mask: [N] bool, false for padding, which must come last.
    num_segments: S.

  Returns:
    The sets, with S as the id of every padding element.
  """
  ids = jnp.where(mask, segment_ids, num_segments).astype(jnp.int32)
  sizes = jnp.zeros(num_segments, jnp.int32).at[ids].add(1, mode="drop")
  return Sets(ids, mask, sizes)


def padded_sets(elements: Array, mask: Array) -> tuple[Array, Sets]:
  """Returns the rows of a padded table as sets.

  Sets keep their padding at the end; so all elements move to the front, in
  their order.

  Args:
    elements: [B, M, D].
    mask: [B, M] bool, false for padding, which may sit anywhere in a row.

  Returns:
    The elements [B M, D], sorted by row, and the B sets they form.

  Raises:
    ValueError: if the shapes do not fit or `mask` is not boolean.
  """
  elements, mask = jnp.asarray(elements), jnp.asarray(mask)
  if elements.ndim != 3:
    raise ValueError(
      f"elements must have shape [B, M, D], got {elements.shape}."
    )
  if mask.shape != elements.shape[:2] or mask.dtype != bool:
    raise ValueError(
      f"mask must be boolean of shape {elements.shape[:2]}, got {mask.dtype} "
      f"of shape {mask.shape}."
    )
  flat = elements.reshape(-1, elements.shape[-1])  # [B M, D]
  order = jnp.argsort(~mask.reshape(-1), stable=True)  # [B M]
  flat = flat.at[order].get(unique_indices=True, mode="promise_in_bounds")
  return flat, make_sets(jnp.sum(mask, axis=1, dtype=jnp.int32), len(flat))


def graph_mask(graphs: jraph.GraphsTuple) -> Array:
  """Returns [G] bool, false for padding graphs.

  jraph's own padding mask is not used: it takes a real empty graph at the end
  of a batch for padding. Batches carry theirs in `graphs.globals["mask"]`; a
  batch without one has no padding.
  """
  if isinstance(graphs.globals, dict) and "mask" in graphs.globals:
    return jnp.asarray(graphs.globals["mask"])
  return jnp.ones(graphs.n_node.shape[0], bool)


def node_sets(graphs: jraph.GraphsTuple, mask: Array | None = None) -> Sets:
  """Returns the nodes of each graph as a set; padding graphs are empty.

  Args:
    graphs: A batch, its real graphs first.
    mask: [G] bool, false for padding graphs; None for `graph_mask(graphs)`. Of
      what `jraph.pad_with_graphs` made it is `jraph.get_graph_padding_mask`.

  Returns:
    The sets, G in number, with their edges.
  """
  mask = graph_mask(graphs) if mask is None else mask
  sizes = jnp.where(mask, graphs.n_node, 0)  # [G]
  sets = make_sets(sizes, jax.tree.leaves(graphs.nodes)[0].shape[0])
  is_edge = edge_mask(graphs, mask)
  edges = Edges(graphs.senders, graphs.receivers, is_edge)
  return dataclasses.replace(sets, edges=edges)


def edge_mask(graphs: jraph.GraphsTuple, mask: Array | None = None) -> Array:
  """Returns [E] bool, false for padding edges.

  Args:
    graphs: A batch, its real graphs first.
    mask: Mask as in `node_sets`.
  """
  mask = graph_mask(graphs) if mask is None else mask
  num_edges = jnp.sum(jnp.where(mask, graphs.n_edge, 0))
  return jnp.arange(graphs.receivers.shape[0]) < num_edges


def message_sets(graphs: jraph.GraphsTuple) -> Sets:
  """Returns the incoming edges of each node as a set; receivers ascending."""
  num_nodes = jax.tree.leaves(graphs.nodes)[0].shape[0]
  return sets_from_ids(graphs.receivers, edge_mask(graphs), num_nodes)
