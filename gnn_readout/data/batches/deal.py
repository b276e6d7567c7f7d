"""Which graphs of a split share a batch: orders, and where each batch ends.

A dealing is a pair (order [G], offsets [M + 1]): batch b holds the graphs
`order[offsets[b]:offsets[b + 1]]`.

Letters: G graphs dealt, M batches.
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
    ends = np.cumsum(sizes(starts, order))
    columns.append(np.diff(ends[offsets[1:] - 1], prepend=0))
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
  largest_first = np.argsort(-nodes, kind="stable")
  filled_with = np.zeros(num_batches, np.int64)  # Nodes of each batch.
  batch = np.empty(len(graphs), np.int64)  # [G], where each graph goes
  for start in range(0, len(graphs), num_batches):
    dealt = largest_first[start : start + num_batches]
    emptiest = np.argsort(filled_with, kind="stable")[: len(dealt)]
    batch[dealt] = emptiest
    filled_with[emptiest] += nodes[dealt]
  counts = np.bincount(batch, minlength=num_batches)
  offsets = np.concatenate([[0], np.cumsum(counts)])
  return graphs[np.argsort(batch, kind="stable")], offsets
