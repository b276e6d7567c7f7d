"""Columns from raw arrays: checked, and edges sorted by receiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnn_readout.data import checks
from gnn_readout.data.store import GraphStore, Schema, TextColumn

_SORTED_AT_A_TIME = 1 << 20  # Edges: little memory, and most of it in a cache.


def feature_dtype(
  sizes: Sequence[int], num_features: int | None = None
) -> np.dtype:
  """Returns the smallest type that holds some features.

  Args:
    sizes: Vocabulary size of each categorical feature.
    num_features: How many features there are with those that are real numbers;
      None if there are none of these.
  """
  if not sizes or (num_features or 0) > len(sizes):
    return np.dtype(np.float32)
  for dtype in (np.uint8, np.int16):
    if max(sizes) <= np.iinfo(dtype).max + 1:
      return np.dtype(dtype)
  return np.dtype(np.int32)


def build_store(
  schema: Schema,
  num_nodes: np.ndarray,
  num_edges: np.ndarray,
  nodes: np.ndarray,
  edges: np.ndarray,
  senders: np.ndarray,
  receivers: np.ndarray,
  labels: np.ndarray,
  splits: Mapping[str, np.ndarray],
  source: str = "edges",
  rows: Sequence[int] | None = None,
  texts: Mapping[str, Sequence[str]] | None = None,
) -> GraphStore:
  """Checks columns of directed edges and sorts the edges by receiver.

  Args:
    schema: What the columns mean.
    num_nodes: [G] nodes of each graph.
    num_edges: [G] directed edges of each graph.
    nodes: [N, node_dim] features: first categories, below
      `schema.node_sizes`, then finite numbers.
    edges: [E, edge_dim] features, likewise.
    senders: [E], counted within the graph.
    receivers: [E], likewise.
    labels: [G, num_tasks], NaN = missing.
    splits: Graph indices by split name.
    source: Where the edges come from, for error messages.
    rows: [G] the row of the file behind each graph, kept in the store.
    texts: [G] texts of each graph by name, likewise.

  Returns:
    The store. Edges of one receiver keep their order.

  Raises:
    ValueError: Lengths disagree, an edge points outside its graph, a feature
      is no category of its vocabulary or no finite number, a label is not one
      of its task, or a split is empty, out of range or overlaps.
  """
  name, counts = schema.name, (num_nodes, num_edges)
  checks.check_shapes(
    name, schema, *counts, nodes, edges, senders, receivers, labels
  )
  checks.check_labels(name, schema, labels, rows)
  checks.check_splits(name, splits, len(num_nodes))
  checks.check_edges(source, *counts, senders, receivers)
  checks.check_contents(name, schema, *counts, nodes, edges)
  checks.check_lengths(name, len(num_nodes), {"rows": rows, **(texts or {})})
  node_offsets, edge_offsets = _offsets(num_nodes), _offsets(num_edges)
  edges, senders, receivers = _sorted_by_receiver(
    node_offsets,
    edge_offsets,
    np.asarray(edges, feature_dtype(schema.edge_sizes, schema.edge_dim)),
    np.asarray(senders, np.int32),
    np.asarray(receivers, np.int32),
  )
  return GraphStore(
    schema=schema,
    node_offsets=node_offsets,
    edge_offsets=edge_offsets,
    nodes=np.ascontiguousarray(
      nodes, feature_dtype(schema.node_sizes, schema.node_dim)
    ),
    edges=edges,
    senders=senders,
    receivers=receivers,
    labels=np.ascontiguousarray(labels, np.float32),
    splits={name: np.asarray(s, np.int32) for name, s in splits.items()},
    rows=None if rows is None else np.asarray(rows, np.int32),
    texts={name: TextColumn.of(t) for name, t in (texts or {}).items()},
  )


def build_from_undirected(
  schema: Schema,
  num_nodes: np.ndarray,
  num_bonds: np.ndarray,
  nodes: np.ndarray,
  bonds: np.ndarray,
  bond_features: np.ndarray,
  labels: np.ndarray,
  splits: Mapping[str, np.ndarray],
  source: str = "edges",
  rows: Sequence[int] | None = None,
  texts: Mapping[str, Sequence[str]] | None = None,
) -> GraphStore:
  """Builds a store from bonds listed once; the inverse follows each bond.

  Args:
    schema: What the columns mean.
    num_nodes: [G] nodes of each graph.
    num_bonds: [G] bonds of each graph.
    nodes: [N, node_dim] features.
    bonds: [B, 2] pairs of nodes, counted within the graph.
    bond_features: [B, edge_dim] features.
    labels: [G, num_tasks], NaN = missing.
    splits: Graph indices by split name.
    source: Where the bonds come from, for error messages.
    rows: [G] the row of the file behind each graph, kept in the store.
    texts: [G] texts of each graph by name, likewise.

  Returns:
    The store, of 2 B directed edges.

  Raises:
    ValueError: As `build_store`.
  """
  bonds = np.asarray(bonds, np.int32)
  return build_store(
    schema,
    num_nodes=num_nodes,
    num_edges=2 * np.asarray(num_bonds),
    nodes=nodes,
    edges=np.repeat(bond_features, 2, axis=0),  # [2 B, edge_dim]
    senders=bonds.ravel(),  # [2 B]
    receivers=bonds[:, ::-1].ravel(),
    labels=labels,
    splits=splits,
    source=source,
    rows=rows,
    texts=texts,
  )


def _offsets(counts: np.ndarray) -> np.ndarray:
  """[G] counts to [G + 1] positions."""
  return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _sorted_by_receiver(
  node_offsets: np.ndarray, edge_offsets: np.ndarray, *columns: np.ndarray
) -> list[np.ndarray]:
  """Returns columns of edges, the last of them receivers, sorted by these.

  Within each graph, and stably. Many graphs are sorted at a time, but not all.
  """
  sorted_columns = [np.empty_like(column) for column in columns]
  first = 0
  while first < len(edge_offsets) - 1:
    reach = edge_offsets[first] + _SORTED_AT_A_TIME
    last = int(np.searchsorted(edge_offsets, reach, "right")) - 1
    stop = max(first + 1, last)
    block = slice(edge_offsets[first], edge_offsets[stop])
    # Receivers counted over all graphs grow with the graph, so that one sort
    # serves them all.
    sizes = np.diff(edge_offsets[first : stop + 1])
    key = np.repeat(node_offsets[first:stop], sizes) + columns[-1][block]
    order = np.argsort(key, kind="stable")
    for column, result in zip(columns, sorted_columns, strict=True):
      result[block] = column[block][order]
    first = stop
  return sorted_columns


def is_symmetric(
  senders: np.ndarray, receivers: np.ndarray, num_nodes: int
) -> bool:
  """Returns whether no edge comes twice and the inverse of each is there too.

  Args:
    senders: [E], counted over all graphs.
    receivers: [E], likewise.
    num_nodes: N of all graphs.
  """
  keys = receivers.astype(np.int64) * num_nodes + senders  # [E]
  if (np.diff(keys) <= 0).any():
    keys = np.sort(keys)
    if (np.diff(keys) == 0).any():
      return False
  inverse = senders.astype(np.int64) * num_nodes + receivers
  inverse.sort()
  return np.array_equal(inverse, keys)
