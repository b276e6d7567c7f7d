"""Padded jraph batches copied out of a store's columns, many at a time.

Letters: W batches copied together, G graphs in them, B graph slots of a batch
(its real graphs, the padding graph, empty ones).
"""

from __future__ import annotations

import math
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
  lead: tuple[int, ...] = (),
) -> list[jraph.GraphsTuple]:
  """Makes W padded batches at once.

  In each batch the real graphs come first. The next graph owns all padding
  nodes and edges, any later ones are empty. Padding edges join the last node
  to itself, so receivers stay sorted. Padding features are 0.

  Args:
    store: The graphs.
    graphs: [G] graph indices.
    offsets: [W + 1]; batch w holds `graphs[offsets[w]:offsets[w + 1]]`.
    budgets: Shapes that hold the batches, all with the same B: one for each
      batch, or for as many consecutive ones as `lead` has place for.
    lead: Leading axes of each result, for members and shares, say.

  Returns:
    For each budget a batch of numpy arrays, in the store's own types, or with
    `lead` several, one behind another along those axes; `globals` has `labels`
    [B, tasks] (NaN in padding), `mask` [B] (True for real graphs) and `index`
    [B] (in the store; -1 in padding). They are views of common arrays that
    nothing writes to again.
  """
  each = math.prod(lead)  # Batches of a result.
  budgets = [budget for budget in budgets for _ in range(each)]
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
    return size, ranges(first.ravel(), size.ravel())

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
  node_ends = np.cumsum(num_nodes).tolist()
  edge_ends = np.cumsum(num_edges).tolist()
  for w, budget in enumerate(budgets):
    first_node = node_ends[w] - budget.num_nodes
    first_edge = edge_ends[w] - budget.num_edges
    # The padding holds copies of whatever came first in the store.
    nodes[first_node + real_nodes[w] : node_ends[w]] = 0
    padding = slice(first_edge + real_edges[w], edge_ends[w])
    edges[padding] = 0
    senders[padding] = receivers[padding] = budget.num_nodes - 1

  def part(column, start, stop):
    """Returns rows of a column, those of each batch along the last of lead."""
    rows = column[start:stop]
    if not lead:  # The most common, a fifth faster so.
      return rows
    return rows.reshape(*lead, len(rows) // each, *column.shape[1:])

  def of_graphs(column, w):
    if not lead:
      return column[w]
    return column[w : w + each].reshape(*lead, *column.shape[1:])

  batches = []
  for w in range(0, len(budgets), each):
    of_nodes = node_ends[w] - budgets[w].num_nodes, node_ends[w + each - 1]
    of_edges = edge_ends[w] - budgets[w].num_edges, edge_ends[w + each - 1]
    batches.append(
      jraph.GraphsTuple(
        nodes=part(nodes, *of_nodes),
        edges=part(edges, *of_edges),
        senders=part(senders, *of_edges),
        receivers=part(receivers, *of_edges),
        n_node=of_graphs(n_node, w),
        n_edge=of_graphs(n_edge, w),
        globals={
          "labels": of_graphs(labels, w),
          "mask": of_graphs(mask, w),
          "index": of_graphs(index, w),
        },
      )
    )
  return batches


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
  """Concatenates `arange(start, start + size)` over all pairs."""
  ends = np.cumsum(sizes)
  return np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1])


def _take(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
  if not len(column):  # Nothing but padding, such as sets without edges.
    return np.zeros((len(rows), *column.shape[1:]), column.dtype)
  # Rows of padding may lie past the end. Clipping is the fastest mode, too.
  return column.take(rows, axis=0, mode="clip")
