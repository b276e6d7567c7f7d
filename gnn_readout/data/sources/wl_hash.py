"""Graphs that come more than once, found by the Weisfeiler-Lehman test.

Letters: G graphs, N nodes and E edges of all graphs.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from gnn_readout.data.store import GraphStore

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def wl_hashes(store: GraphStore) -> np.ndarray:
  """Returns a number for every graph, the same for isomorphic graphs.

  Colours of nodes start as their features and are refined by the multiset of
  the colours and edge features that reach them, c_v <- hash(c_v, {(c_u, e_uv)})
  until no colour of the dataset splits any more; a graph's number is the hash
  of the multiset of its nodes' colours. Features are compared bit by bit.

  Different numbers prove that graphs are not isomorphic. Equal numbers do not
  prove that they are: colour refinement cannot tell, with equal features,
  regular graphs of one size and degree apart (a hexagon and two triangles), nor
  any graphs that a message-passing network cannot. Of two graphs that it can
  tell apart, about one pair in 2^64 collides.

  Args:
    store: The graphs.

  Returns:
    [G] uint64.

  Reference: Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels".
  """
  first = np.repeat(store.node_offsets[:-1], store.num_edges)  # [E]
  senders, receivers = store.senders + first, store.receivers + first
  degrees = np.bincount(receivers, minlength=len(store.nodes))
  starts = np.concatenate([[0], np.cumsum(degrees)])  # [N + 1]
  features = _hash_rows(store.edges)  # [E]
  colours, known = _hash_rows(store.nodes), 0  # [N]
  while (count := len(np.unique(colours))) > known:
    known = count
    received = _mix(colours[senders] * _GOLDEN + features)  # [E]
    colours = _mix(colours * _GOLDEN + _range_sums(received, starts))
  sums = _range_sums(_mix(colours + _GOLDEN), store.node_offsets)  # [G]
  return _mix(sums * _GOLDEN + store.num_nodes.astype(np.uint64))


def without_duplicates(store: GraphStore) -> GraphStore:
  """Returns the graphs without those that repeat an earlier one.

  Two graphs are taken for the same if their `wl_hashes` are, whatever their
  labels; see there what that does not tell apart. The first one stays.

  Args:
    store: The graphs, without splits.
  """
  if store.splits:
    raise ValueError(
      f"{store.schema.name} is counted as a whole, but it has a split."
    )
  _, first = np.unique(wl_hashes(store), return_index=True)
  keep = np.zeros(store.num_graphs, bool)
  keep[first] = True
  nodes = np.repeat(keep, store.num_nodes)
  edges = np.repeat(keep, store.num_edges)

  def offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts[keep], dtype=np.int64)])

  return dataclasses.replace(
    store,
    node_offsets=offsets(store.num_nodes),
    edge_offsets=offsets(store.num_edges),
    nodes=store.nodes[nodes],
    edges=store.edges[edges],
    senders=store.senders[edges],
    receivers=store.receivers[edges],
    labels=store.labels[keep],
    rows=None if store.rows is None else store.rows[keep],
  )


def _mix(x: np.ndarray) -> np.ndarray:
  """Scatters the bits of [M] uint64; splitmix64's finaliser."""
  x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return x ^ (x >> np.uint64(31))


def _hash_rows(table: np.ndarray) -> np.ndarray:
  """Returns a hash of each row of [M, F]: [M] uint64."""
  if table.dtype.kind == "f":
    table = table.astype(np.float32).view(np.uint32)
  result = np.zeros(len(table), np.uint64)
  for column in table.T:
    result = _mix(result * _GOLDEN + column.astype(np.uint64) + np.uint64(1))
  return result


def _range_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
  """Returns the sum of each range, modulo 2^64: [len(offsets) - 1]."""
  total = np.concatenate([[np.uint64(0)], np.cumsum(values, dtype=np.uint64)])
  return np.diff(total[offsets])
