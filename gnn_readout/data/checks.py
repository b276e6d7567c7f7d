"""Whether columns fit together and hold what they may: checked here alone.

Letters: G graphs, N nodes of all graphs, E directed edges of all graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.wording import counted

LARGEST = 1e15  # Of a real-valued feature: the square of more is no float32.


def check_store(store: GraphStore, where: str) -> None:
  """Raises ValueError if the columns of a store do not fit together.

  Args:
    store: Whatever made it.
    where: What the message begins with, such as the store's folder.
  """
  if not store.num_graphs > 0:
    raise ValueError(f"{where}: it holds no graphs")
  for kind in ("node", "edge"):
    offsets = getattr(store, f"{kind}_offsets")
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
      raise ValueError(
        f"{where}: the column '{kind}_offsets' must start at 0 and never"
        " decrease"
      )
  num_nodes, num_edges = store.num_nodes, store.num_edges
  check_shapes(
    where,
    store.schema,
    num_nodes,
    num_edges,
    store.nodes,
    store.edges,
    store.senders,
    store.receivers,
    store.labels,
  )
  check_edges(where, num_nodes, num_edges, store.senders, store.receivers)
  check_contents(
    where, store.schema, num_nodes, num_edges, store.nodes, store.edges
  )
  check_labels(where, store.schema, store.labels, store.rows)
  check_splits(where, store.splits, store.num_graphs)
  first = np.repeat(store.node_offsets[:-1], num_edges)  # [E]
  falls = np.diff(first + store.receivers) < 0
  if falls.any():
    graph = graph_of(int(np.argmax(falls)), num_edges)
    raise ValueError(
      f"{where}: the receivers of graph {graph} are not in ascending order:"
      " gnn_readout.data.from_arrays sorts the edges"
    )
  check_lengths(where, store.num_graphs, {"rows": store.rows, **store.texts})


def check_lengths(
  where: str, num_graphs: int, columns: Mapping[str, Sequence | None]
) -> None:
  """Raises ValueError if a column has not one row for each graph.

  Args:
    where: What the message begins with.
    num_graphs: G.
    columns: Columns by name; None for one that is not there.
  """
  for name, column in columns.items():
    if column is not None and len(column) != num_graphs:
      raise ValueError(
        f"{where}: the column {name!r} has {counted(len(column), 'row')} for"
        f" {counted(num_graphs, 'graph')}"
      )


def check_shapes(
  where: str,
  schema: Schema,
  num_nodes: np.ndarray,
  num_edges: np.ndarray,
  nodes: np.ndarray,
  edges: np.ndarray,
  senders: np.ndarray,
  receivers: np.ndarray,
  labels: np.ndarray,
) -> None:
  """Raises ValueError if a column has another shape than the others say.

  Args:
    where: What the message begins with.
    schema: What the columns mean.
    num_nodes: [G] nodes of each graph.
    num_edges: [G] directed edges of each graph.
    nodes: Expected to be [N, node_dim].
    edges: Expected to be [E, edge_dim].
    senders: Expected to be [E].
    receivers: Expected to be [E].
    labels: Expected to be [G, num_tasks].
  """
  num_graphs = len(num_nodes)
  totals = int(np.sum(num_nodes)), int(np.sum(num_edges))
  for what, found, expected in (
    ("edge counts", (len(num_edges),), (num_graphs,)),
    ("labels", labels.shape, (num_graphs, schema.num_tasks)),
    ("node features", nodes.shape, (totals[0], schema.node_dim)),
    ("edge features", edges.shape, (totals[1], schema.edge_dim)),
    ("senders", senders.shape, (totals[1],)),
    ("receivers", receivers.shape, (totals[1],)),
  ):
    if found == expected:
      continue
    rows = ""
    if found[:1] != expected[:1]:
      rows = f" ({counted((*found, 0)[0], 'row')} against {expected[0]:,})"
    raise ValueError(
      f"{where}: {what}: {_plain(found)}, expected {_plain(expected)}{rows}"
    )
  for kind in ("node", "edge"):
    sizes, dim = (getattr(schema, f"{kind}_{x}") for x in ("sizes", "dim"))
    if len(sizes) > dim:
      raise ValueError(
        f"{where}: {kind}_sizes has {counted(len(sizes), 'number')}, but there"
        f" is {counted(dim, 'column')} of {kind} features"
      )


def check_edges(
  where: str,
  num_nodes: np.ndarray,
  num_edges: np.ndarray,
  senders: np.ndarray,
  receivers: np.ndarray,
) -> None:
  """Raises ValueError at an edge that leads out of its graph.

  Args:
    where: What the message begins with.
    num_nodes: [G] nodes of each graph.
    num_edges: [G] edges of each graph.
    senders: [E], counted within the graph.
    receivers: [E], likewise.
  """
  limits = np.repeat(np.asarray(num_nodes, np.int32), num_edges)  # [E]
  inside = (senders >= 0) & (senders < limits)
  inside &= (receivers >= 0) & (receivers < limits)
  if not inside.all():
    edge = int(np.argmin(inside))
    graph = graph_of(edge, num_edges)
    size = int(limits[edge])
    allowed = f": they are numbered from 0 to {size - 1}" if size else ""
    raise ValueError(
      f"{where}: an edge of graph {graph} joins nodes {senders[edge]} and"
      f" {receivers[edge]}, but the graph has {counted(size, 'node')}{allowed}"
    )


def check_contents(
  where: str,
  schema: Schema,
  num_nodes: np.ndarray,
  num_edges: np.ndarray,
  nodes: np.ndarray,
  edges: np.ndarray,
) -> None:
  """Raises ValueError at a feature that is no category or no finite number.

  Args:
    where: What the message begins with.
    schema: What the columns mean.
    num_nodes: [G] nodes of each graph.
    num_edges: [G] edges of each graph.
    nodes: [N, node_dim].
    edges: [E, edge_dim].
  """
  for kind, sizes, counts, table in (
    ("node", schema.node_sizes, num_nodes, nodes),
    ("edge", schema.edge_sizes, num_edges, edges),
  ):
    for column, values in enumerate(table.T):
      if column < len(sizes):
        size = sizes[column]
        wrong = ~((values >= 0) & (values < size))
        if values.dtype.kind == "f":
          wrong |= values != np.floor(values)
        right = f"a category from 0 to {size - 1}"
      elif values.dtype.kind == "f":
        wrong = ~(np.abs(values) <= LARGEST)
        right = f"a finite number of at most {LARGEST:g}"
      else:
        continue
      if wrong.any():
        row = int(np.argmax(wrong))
        graph = graph_of(row, counts)
        place = row - int(np.sum(counts[:graph]))
        raise ValueError(
          f"{where}: feature {column} of {kind} {place} of graph {graph} is"
          f" {values[row]:g}, expected {right}"
        )


def check_labels(
  where: str,
  schema: Schema,
  labels: np.ndarray,
  rows: Sequence[int] | None = None,
) -> None:
  """Raises ValueError at a label that its task type does not have.

  Args:
    where: What the message begins with.
    schema: What the columns mean.
    labels: [G, num_tasks], NaN = missing.
    rows: [G] the row of the file behind each graph, if there are rows.
  """
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
      f"{where}: the label of {place}, task {schema.task_names[task]!r}"
      f" is {labels[graph, task]:g}, expected {right}"
    )


def check_splits(
  where: str, splits: Mapping[str, np.ndarray], num_graphs: int
) -> None:
  """Raises ValueError at an empty, wrong or overlapping split.

  Args:
    where: What the message begins with.
    splits: Graph indices by split name.
    num_graphs: G.
  """
  seen = np.zeros(num_graphs, bool)
  for split, indices in splits.items():
    if not len(indices):
      raise ValueError(f"{where}: the split {split!r} is empty")
    outside = (indices < 0) | (indices >= num_graphs)
    if outside.any():
      raise ValueError(
        f"{where}: the split {split!r} names graph"
        f" {indices[np.argmax(outside)]}, but the dataset has"
        f" {counted(num_graphs, 'graph')}"
      )
    again = seen[indices]
    if again.any() or len(np.unique(indices)) != len(indices):
      raise ValueError(
        f"{where}: the split {split!r} repeats a graph, within itself or from"
        " another split"
      )
    seen[indices] = True


def graph_of(row: int, counts: np.ndarray) -> int:
  """Returns the graph whose node or edge stands in a row of all.

  Args:
    row: From 0 on.
    counts: [G] nodes or edges of each graph.
  """
  return int(np.searchsorted(np.cumsum(counts), row, side="right"))


def _plain(shape: tuple[int, ...]) -> tuple[int, ...] | int:
  return shape[0] if len(shape) == 1 else shape
