"""Padded jraph batches copied out of a store's columns, many at a time.

Letters: W batches copied together, G graphs in them, B graph slots of a batch
(its real graphs, the padding graph, empty ones).
"""

from __future__ import annotations

from collections.abc import Sequence

import jraph
import numpy as np

from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.store import GraphStore


def collate(
  store: GraphStore,
  graphs: np.ndarray,
  offsets: np.ndarray,
  budgets: Sequence[Budget],
) -> list[jraph.GraphsTuple]:
  """Makes W padded batches at once.

  In each batch the real graphs come first. The next graph owns all padding
  nodes and edges, any later ones are empty. Padding edges join the last node
  to itself, so receivers stay sorted. Padding features are 0.

  Args:
    store: The graphs.
    graphs: [G] graph indices.
    offsets: [W + 1]; batch w holds `graphs[offsets[w]:offsets[w + 1]]`.
    budgets: [W] shapes that hold the batches, all with the same B.

  Returns:
    W batches of numpy arrays, in the store's own types; `globals` has `labels`
    [B, tasks] (NaN in padding), `mask` [B] (True for real graphs) and `index`
    [B] (in the store; -1 in padding). They are views of common arrays that
    nothing writes to again.
  """
  counts = np.diff(offsets)  # [W]
  rows = np.arange(len(budgets))  # [W]
  batch = np.repeat(rows, counts)  # [G]
  slot = np.arange(len(graphs)) - offsets[batch]  # [G]
  shape = (len(budgets), budgets[0].num_graphs)  # [W, B]
  _, num_nodes, num_edges = np.array(budgets).T

  def layout(starts, padded):
    """Returns sizes [W, B] and the row of the store behind each element."""
    size, first = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    first[batch, slot] = starts[graphs]
    size[batch, slot] = starts[graphs + 1] - starts[graphs]
    size[rows, counts] = padded - size.sum(1)
    return size, _ranges(first.ravel(), size.ravel())

  n_node, node_rows = layout(store.node_offsets, num_nodes)
  n_edge, edge_rows = layout(store.edge_offsets, num_edges)
  nodes, edges = _take(store.nodes, node_rows), _take(store.edges, edge_rows)
  # Where the nodes of an edge's graph start in the batch.
  shift = (np.cumsum(n_node, axis=1) - n_node).astype(np.int32)  # [W, B]
  shift = np.repeat(shift.ravel(), n_edge.ravel())
  senders = _take(store.senders, edge_rows) + shift
  receivers = _take(store.receivers, edge_rows) + shift

  labels = np.full((*shape, store.labels.shape[1]), np.nan, np.float32)
  labels[batch, slot] = store.labels[graphs]
  index = np.full(shape, -1, np.int32)
  index[batch, slot] = graphs
  mask = index >= 0

  real_nodes = (num_nodes - n_node[rows, counts]).tolist()
  real_edges = (num_edges - n_edge[rows, counts]).tolist()
  n_node, n_edge = n_node.astype(np.int32), n_edge.astype(np.int32)
  batches, node, edge = [], 0, 0
  for w, budget in enumerate(budgets):
    next_node, next_edge = node + budget.num_nodes, edge + budget.num_edges
    # The padding holds copies of whatever came first in the store.
    nodes[node + real_nodes[w] : next_node] = 0
    padding = slice(edge + real_edges[w], next_edge)
    edges[padding] = 0
    senders[padding] = receivers[padding] = budget.num_nodes - 1
    batches.append(
      jraph.GraphsTuple(
        nodes=nodes[node:next_node],
        edges=edges[edge:next_edge],
        senders=senders[edge:next_edge],
        receivers=receivers[edge:next_edge],
        n_node=n_node[w],
        n_edge=n_edge[w],
        globals={"labels": labels[w], "mask": mask[w], "index": index[w]},
      )
    )
    node, edge = next_node, next_edge
  return batches


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
  """Concatenates `arange(start, start + size)` over all pairs."""
  ends = np.cumsum(sizes)
  return np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1])


def _take(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
  if not len(column):  # Nothing but padding, such as sets without edges.
    return np.zeros((len(rows), *column.shape[1:]), column.dtype)
  # Rows of padding may lie past the end. Clipping is the fastest mode, too.
  return column.take(rows, axis=0, mode="clip")
