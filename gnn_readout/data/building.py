"""Columns from raw arrays: checked, and edges sorted by receiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnn_readout.data.store import GraphStore, Schema, TextColumn


def feature_dtype(sizes: tuple[int, ...]) -> np.dtype:
  """Returns the smallest type for features of these vocabulary sizes."""
  if not sizes:
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
    nodes: [N, node_dim] features, values below `schema.node_sizes`.
    edges: [E, edge_dim] features, values below `schema.edge_sizes`.
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
    ValueError: Lengths disagree, an edge points outside its graph, a label is
      not one of its task, or a split is empty, out of range or overlaps.
  """
  num_graphs = len(num_nodes)
  node_offsets = _offsets(num_nodes)
  edge_offsets = _offsets(num_edges)
  for what, found, expected in (
    ("edge counts", len(num_edges), num_graphs),
    ("labels", labels.shape, (num_graphs, schema.num_tasks)),
    ("node features", nodes.shape, (int(node_offsets[-1]), schema.node_dim)),
    ("edge features", edges.shape, (int(edge_offsets[-1]), schema.edge_dim)),
    ("senders", senders.shape, (int(edge_offsets[-1]),)),
    ("receivers", receivers.shape, (int(edge_offsets[-1]),)),
  ):
    if found != expected:
      raise ValueError(f"{schema.name}: {what}: {found}, expected {expected}")
  _check_labels(schema, labels, rows)
  _check_splits(schema.name, splits, num_graphs)

  # Of each edge: the size and the first node of its graph.
  limits = np.repeat(np.asarray(num_nodes, np.int32), num_edges)  # [E]
  inside = (senders >= 0) & (senders < limits)
  inside &= (receivers >= 0) & (receivers < limits)
  if not inside.all():
    edge = int(np.argmin(inside))
    graph = int(np.searchsorted(edge_offsets, edge, side="right")) - 1
    raise ValueError(
      f"{source}: an edge of graph {graph} joins nodes {senders[edge]} and"
      f" {receivers[edge]}, but the graph has {limits[edge]} nodes"
    )
  order = _receiver_order(node_offsets, num_edges, receivers)
  return GraphStore(
    schema=schema,
    node_offsets=node_offsets,
    edge_offsets=edge_offsets,
    nodes=np.ascontiguousarray(nodes, feature_dtype(schema.node_sizes)),
    edges=np.asarray(edges, feature_dtype(schema.edge_sizes))[order],
    senders=np.asarray(senders, np.int32)[order],
    receivers=np.asarray(receivers, np.int32)[order],
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


def _receiver_order(
  node_offsets: np.ndarray, num_edges: np.ndarray, receivers: np.ndarray
) -> np.ndarray:
  """Returns the stable order by receiver within each graph: [E]."""
  # Receivers counted over all graphs grow with the graph, so that one sort
  # serves every graph.
  key = np.repeat(node_offsets[:-1], num_edges) + receivers  # [E]
  return np.argsort(key, kind="stable")


def _check_labels(
  schema: Schema, labels: np.ndarray, rows: Sequence[int] | None
) -> None:
  """Raises ValueError at a label that its task type does not have."""
  if schema.task_type == "regression":
    wrong, right = np.isinf(labels), "a finite number"
  elif schema.task_type == "binary":
    wrong = ~((labels == 0) | (labels == 1) | np.isnan(labels))
    right = "0, 1 or missing"
  else:
    inside = (labels >= 0) & (labels < schema.num_classes)
    wrong = ~((inside & (labels == np.floor(labels))) | np.isnan(labels))
    right = f"an integer from 0 to {schema.num_classes - 1} or missing"
  if wrong.any():
    graph, task = np.unravel_index(np.argmax(wrong), wrong.shape)
    place = f"graph {graph}" if rows is None else f"row {rows[graph]}"
    raise ValueError(
      f"{schema.name}: the label of {place}, task {schema.task_names[task]!r}"
      f" is {labels[graph, task]:g}, expected {right}"
    )


def _check_splits(
  name: str, splits: Mapping[str, np.ndarray], num_graphs: int
) -> None:
  """Raises ValueError at an empty, wrong or overlapping split."""
  seen = np.zeros(num_graphs, bool)
  for split, indices in splits.items():
    if not len(indices):
      raise ValueError(f"{name}: the split {split!r} is empty")
    outside = (indices < 0) | (indices >= num_graphs)
    if outside.any():
      raise ValueError(
        f"{name}: the split {split!r} names graph"
        f" {indices[np.argmax(outside)]}, but there are {num_graphs} graphs"
      )
    again = seen[indices]
    if again.any() or len(np.unique(indices)) != len(indices):
      raise ValueError(
        f"{name}: the split {split!r} repeats a graph, within itself or from"
        " another split"
      )
    seen[indices] = True
