"""Which graphs of a split share a batch: orders, and where each batch ends.

A dealing is a pair (order [G], offsets [M + 1]): batch b holds the graphs
`order[offsets[b]:offsets[b + 1]]`.

Letters: G graphs dealt, M batches, D shares of a batch.
"""

from __future__ import annotations

import numpy as np

from gnn_readout.data.store import GraphStore


def sizes(offsets: np.ndarray, graphs: np.ndarray) -> np.ndarray:
  """Returns how many nodes, or edges, some graphs have."""
  return offsets[graphs + 1] - offsets[graphs]


def totals(
  store: GraphStore, order: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
  """Returns [M, 3] real graphs, nodes and edges of each batch."""
  columns = [np.diff(offsets)]
  for starts in (store.node_offsets, store.edge_offsets):
    before = np.concatenate([[0], np.cumsum(sizes(starts, order))])  # [G + 1]
    columns.append(np.diff(before[offsets]))
  return np.stack(columns, axis=1)


def num_batches(num_graphs: int, batch_size: int, keep_last: bool) -> int:
  """Returns how many bucketed batches an epoch has.

  Graphs that are fewer than a batch are one all the same.
  """
  return max((num_graphs + keep_last * (batch_size - 1)) // batch_size, 1)


def shuffled(
  rng: np.random.Generator,
  graphs: np.ndarray,
  batch_size: int,
  num_batches: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns order and offsets of batches in random order, full but the last."""
  offsets = np.minimum(np.arange(num_batches + 1) * batch_size, len(graphs))
  return rng.permutation(graphs)[: offsets[-1]], offsets


def filled(nodes: np.ndarray, max_graphs: int, max_nodes: int) -> np.ndarray:
  """Returns offsets of batches that end where the next graph does not fit."""
  total = np.concatenate([[0], np.cumsum(nodes)])  # [G + 1]
  # Where a batch would end, for every graph that it might start with.
  ends = np.searchsorted(total, total + max_nodes, side="right") - 1
  ends = np.minimum(ends, np.arange(len(total)) + max_graphs).tolist()
  offsets = [0]
  while offsets[-1] < len(nodes):
    offsets.append(ends[offsets[-1]])
  return np.array(offsets)


def levelled(
  store: GraphStore, graphs: np.ndarray, num_batches: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns order and offsets of batches with nearly equal node totals.

  Graphs are dealt in rounds, largest first; in each, every batch gets one
  graph, and the fullest batch the smallest. The last round may be short.
  """
  nodes = sizes(store.node_offsets, graphs)
  batch = _in_rounds(nodes[None], num_batches)[0]  # [G]
  return _sorted_by(batch, graphs, num_batches)


def among_shares(
  store: GraphStore, order: np.ndarray, offsets: np.ndarray, num_shares: int
) -> tuple[np.ndarray, np.ndarray]:
  """Deals the graphs of every batch to D shares of nearly equal size.

  As `levelled` does, by the sum of nodes and edges relative to their means.

  Args:
    store: The graphs.
    order: [G], of a dealing to batches.
    offsets: [M + 1], likewise.
    num_shares: D.

  Returns:
    The dealing to M D shares, those of a batch one behind another.
  """
  counts = np.diff(offsets)  # [M]
  batch = np.repeat(np.arange(len(counts)), counts)  # [G]
  slot = np.arange(len(order)) - offsets[batch]  # [G]
  size = np.zeros(len(order))
  for starts in (store.node_offsets, store.edge_offsets):
    column = sizes(starts, order)
    size += column / max(column.mean(), 1)
  table = np.full((len(counts), counts.max()), -1.0)  # -1: no graph.
  table[batch, slot] = size
  share = _in_rounds(table, num_shares)[batch, slot]
  return _sorted_by(batch * num_shares + share, order, len(counts) * num_shares)


def _in_rounds(sizes: np.ndarray, num_parts: int) -> np.ndarray:
  """Deals the columns of every row to parts, largest first, in rounds.

  In each round every part gets one, and the fullest part the smallest.

  Args:
    sizes: [M, W]; what is less than 0 comes last and fills nothing.
    num_parts: P.

  Returns:
    [M, W] the part that each column goes to.
  """
  largest_first = np.argsort(-sizes, axis=1, kind="stable")
  filled_with = np.zeros((len(sizes), num_parts), sizes.dtype)
  part = np.empty(sizes.shape, np.int64)
  for start in range(0, sizes.shape[1], num_parts):
    dealt = largest_first[:, start : start + num_parts]
    emptiest = np.argsort(filled_with, axis=1, kind="stable")
    emptiest = emptiest[:, : dealt.shape[1]]
    np.put_along_axis(part, dealt, emptiest, axis=1)
    gain = np.maximum(np.take_along_axis(sizes, dealt, axis=1), 0)
    gain += np.take_along_axis(filled_with, emptiest, axis=1)
    np.put_along_axis(filled_with, emptiest, gain, axis=1)
  return part


def _sorted_by(
  part: np.ndarray, graphs: np.ndarray, num_parts: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the dealing that puts each of [G] graphs into its part."""
  counts = np.bincount(part, minlength=num_parts)
  offsets = np.concatenate([[0], np.cumsum(counts)])
  return graphs[np.argsort(part, kind="stable")], offsets
