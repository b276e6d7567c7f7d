"""Graphs as flat columns: one numpy array, and one file, per column.

A `GraphStore` holds a whole dataset. The nodes of all graphs are rows of one
array, the edges rows of another; graph g owns the nodes
`node_offsets[g]:node_offsets[g + 1]` and likewise its edges. On disk every
column is a `.npy` file that is memory-mapped when opened; `meta.json` beside
them holds the schema, and a size and a checksum per column.

Letters: G graphs, N nodes of all graphs, E directed edges of all graphs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gnn_readout import paths
from gnn_readout.errors import brief, quoted_value, suggest
from gnn_readout.files import atomic_directory, naming, read_json
from gnn_readout.wording import counted

SCHEMA_VERSION = 4
# The metrics of each task type, the usual one first.
METRICS = {
  "binary": ("ap", "rocauc", "accuracy", "f1", "mcc"),
  "multiclass": ("accuracy", "f1", "mcc", "rocauc"),
  "regression": ("rmse", "mae", "r2"),
}

_TUPLES = ("node_sizes", "edge_sizes", "task_names", "class_names", "notes")
META = "meta.json"
_MOST_NAMED = 12  # Tasks or classes that are described one by one.
# Those that hold the graphs themselves.
GRAPH_COLUMNS = (
  "node_offsets",
  "edge_offsets",
  "nodes",
  "edges",
  "senders",
  "receivers",
)
_COLUMNS = (*GRAPH_COLUMNS, "labels")
# Of the names of those of which there may be any number.
_PREFIXES = ("split_", "offsets_", "text_")


@dataclasses.dataclass(frozen=True)
class Schema:
  """What the columns of a dataset mean.

  Attributes:
    name: Name, such as `'ogbg-molhiv'`.
    task_type: `'binary'` (any number of tasks, NaN = missing label),
      `'multiclass'` or `'regression'`.
    num_tasks: Columns of labels; 1 for multiclass.
    num_classes: Classes of a multiclass task, else 0.
    metric: One of `METRICS[task_type]`, such as `'ap'` or `'mae'`.
    node_sizes: Vocabulary of each categorical node feature. Their columns come
      first; those that are more than these are real numbers.
    edge_sizes: The same for edges.
    node_dim: Columns of node features.
    edge_dim: Columns of edge features, possibly 0.
    task_names: One name per task.
    symmetric: Whether it is known that no edge comes twice and the inverse of
      every edge is there too: in-neighbours are out-neighbours.
    class_names: What the source calls each class of a multiclass task, if it
      has names for them.
    split_from: Where the splits come from, in words.
    notes: What else was understood of the source, a sentence each.
  """

  name: str
  task_type: str
  num_tasks: int
  num_classes: int
  metric: str
  node_sizes: tuple[int, ...]
  edge_sizes: tuple[int, ...]
  node_dim: int
  edge_dim: int
  task_names: tuple[str, ...]
  symmetric: bool = False
  class_names: tuple[str, ...] = ()
  split_from: str = ""
  notes: tuple[str, ...] = ()

  def __post_init__(self):
    task, metric = self.task_type, self.metric
    if task not in METRICS:
      raise ValueError(f"unknown task_type {task!r}.{suggest(task, METRICS)}")
    if metric not in METRICS[task]:
      raise ValueError(
        f"unknown metric {metric!r} for task_type {task!r}."
        f"{suggest(metric, METRICS[task])}"
      )
    for field in _TUPLES:
      object.__setattr__(self, field, tuple(getattr(self, field)))
    if len(self.task_names) != self.num_tasks:
      raise ValueError(
        f"{self.name}: {counted(len(self.task_names), 'task name')} for"
        f" {counted(self.num_tasks, 'task')}"
      )
    if self.task_type == "multiclass" and self.num_tasks != 1:
      raise ValueError(
        f"{self.name}: a multiclass dataset has 1 column of labels, not"
        f" {self.num_tasks}"
      )

  @property
  def num_outputs(self) -> int:
    """Numbers that a model predicts for a graph: classes, or tasks."""
    return self.num_classes or self.num_tasks

  def to_json(self) -> dict[str, object]:
    """Returns plain values that `json.dumps` accepts."""
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> Schema:
    """Returns the schema that `to_json` wrote."""
    return cls(**values)


@dataclasses.dataclass(frozen=True, eq=False)
class TextColumn:
  """A text per graph; `column[g]` is that of graph g.

  Attributes:
    offsets: [G + 1] int64, the first byte of each text.
    data: [bytes] uint8, UTF-8.
  """

  offsets: np.ndarray
  data: np.ndarray

  @classmethod
  def of(cls, texts: Iterable[str]) -> TextColumn:
    """Returns the column of some texts."""
    parts = [text.encode() for text in texts]
    lengths = np.asarray([len(part) for part in parts], np.int64)
    data = np.frombuffer(b"".join(parts), np.uint8)
    return cls(np.concatenate([[0], np.cumsum(lengths)]), data)

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def __getitem__(self, graph: int) -> str:
    first, end = self.offsets[graph], self.offsets[graph + 1]
    return self.data[first:end].tobytes().decode()


@dataclasses.dataclass(frozen=True, eq=False)
class GraphStore:
  """A dataset of graphs in columns.

  Edges are directed, both directions of an undirected one are present, and
  the edges of a graph are sorted by receiver.

  Attributes:
    schema: What the columns mean.
    node_offsets: [G + 1] int64, first node of each graph.
    edge_offsets: [G + 1] int64, first edge of each graph.
    nodes: [N, node_dim] features, in the smallest type that holds them.
    edges: [E, edge_dim] features, likewise.
    senders: [E] int32, counted within the graph (0 .. n - 1).
    receivers: [E] int32, likewise, sorted within the graph.
    labels: [G, num_tasks] float32, NaN = missing.
    splits: Graph indices (int32) by split name.
    rows: [G] int32, the row of the input file behind each graph; None where
      it has no rows.
    texts: What the file says of each graph, such as `'smiles'` or `'id'`.
  """

  schema: Schema
  node_offsets: np.ndarray
  edge_offsets: np.ndarray
  nodes: np.ndarray
  edges: np.ndarray
  senders: np.ndarray
  receivers: np.ndarray
  labels: np.ndarray
  splits: dict[str, np.ndarray]
  rows: np.ndarray | None = None
  texts: dict[str, TextColumn] = dataclasses.field(default_factory=dict)

  @property
  def num_graphs(self) -> int:
    """Number of graphs, G."""
    return len(self.node_offsets) - 1

  @property
  def num_nodes(self) -> np.ndarray:
    """[G] int32, nodes of each graph."""
    return np.diff(self.node_offsets).astype(np.int32)

  @property
  def num_edges(self) -> np.ndarray:
    """[G] int32, directed edges of each graph."""
    return np.diff(self.edge_offsets).astype(np.int32)

  def in_degrees(self, graphs: np.ndarray) -> np.ndarray:
    """Returns how many edges reach each node of some graphs.

    Args:
      graphs: [K] graph indices, no matter in which order.

    Returns:
      [sum of their nodes] int64, the graphs in the order of the store.
    """
    wanted = np.zeros(self.num_graphs, bool)
    wanted[graphs] = True
    receivers = self.receivers[np.repeat(wanted, self.num_edges)]
    sizes, counts = self.num_nodes[wanted], self.num_edges[wanted]
    first = np.cumsum(sizes, dtype=np.int64) - sizes
    nodes = receivers + np.repeat(first, counts)
    return np.bincount(nodes, minlength=int(sizes.sum()))

  def describe(self) -> list[str]:
    """Returns how the source was understood, a line for each fact.

    Returns:
      The tasks by name, with their kind, their classes and the share of the
      graphs that have a label; where the splits come from; notes.
    """
    there = ~np.isnan(self.labels)  # [G, T]
    shares = there.mean(axis=0) if self.num_graphs else np.zeros(there.shape[1])
    lines = self._describe_tasks(there, shares)
    names = self.schema.task_names
    empty = [name for name, s in zip(names, shares, strict=True) if not s]
    if empty:
      lines.append(f"without a label: {_listed(empty)}")
    sizes = [f"{name} {len(s):,}" for name, s in self.splits.items()]
    where = self.schema.split_from or "by folds"
    lines.append(
      f"split: {where}; {', '.join(sizes)}" if sizes else "split: none"
    )
    return [*lines, *self.schema.notes]

  def _describe_tasks(self, there: np.ndarray, shares: np.ndarray) -> list[str]:
    schema = self.schema
    if schema.task_type == "multiclass":
      counts = np.bincount(
        self.labels[there].astype(np.int64), minlength=schema.num_classes
      )
      names = schema.class_names or [str(c) for c in range(schema.num_classes)]
      sized = [f"{name} ({n:,})" for name, n in zip(names, counts, strict=True)]
      return [
        f"task {schema.task_names[0]!r}: multiclass,"
        f" {counted(schema.num_classes, 'class', 'classes')}: {_listed(sized)};"
        f" {shares[0]:.1%} labelled"
      ]
    if schema.num_tasks > _MOST_NAMED:
      return [
        f"{schema.num_tasks} tasks, {schema.task_type}:"
        f" {_listed(schema.task_names)}; {shares.mean():.1%} labelled, each"
        f" from {shares.min():.1%} to {shares.max():.1%}"
      ]
    lines = []
    for name, share, known, column in zip(
      schema.task_names, shares, there.T, self.labels.T, strict=True
    ):
      line = f"task {name!r}: {schema.task_type}, {share:.1%} labelled"
      values = column[known].astype(np.float64)
      if len(values) and schema.task_type == "binary":
        line += f", {values.mean():.1%} of them 1"
      elif len(values):
        line += f", from {values.min():.4g} to {values.max():.4g}"
      lines.append(line)
    return lines

  def save(self, path: str | os.PathLike[str], fingerprint: str = "") -> None:
    """Writes the columns into the folder `path`, whole or not at all.

    Args:
      path: A folder; one that exists is replaced.
      fingerprint: Identifies the source that the columns were made from.
    """
    columns = {name: getattr(self, name) for name in _COLUMNS}
    for name, indices in self.splits.items():
      columns[f"split_{name}"] = indices
    if self.rows is not None:
      columns["rows"] = self.rows
    for name, text in self.texts.items():
      columns[f"offsets_{name}"] = text.offsets
      columns[f"text_{name}"] = text.data
    with atomic_directory(path) as folder:
      records = {}
      for name, array in columns.items():
        file = folder / f"{paths.check_part(name, 'a column')}.npy"
        with naming(path):
          np.save(file, array, allow_pickle=False)
        records[name] = {
          "dtype": str(array.dtype),
          "shape": list(array.shape),
          "bytes": file.stat().st_size,
          "crc32": _checksum(file),
        }
      meta = {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": fingerprint,
        "schema": self.schema.to_json(),
        "columns": records,
      }
      meta["crc32"] = _checksum_of_meta(meta)
      document = json.dumps(meta, indent=1)
      (folder / META).write_text(document, encoding="utf-8")


def open_store(
  path: str | os.PathLike[str],
  verify: bool = False,
  fingerprint: str | None = None,
) -> GraphStore:
  """Opens a saved store; the columns are read when they are touched.

  Args:
    path: The folder that `GraphStore.save` wrote.
    verify: Whether to compare every column with its checksum, which reads
      them all. Sizes, types and shapes are compared in any case.
    fingerprint: If given, the store must have been saved with this one.

  Returns:
    A store of read-only, memory-mapped columns.

  Raises:
    FileNotFoundError: There is no store in `path`.
    ValueError: A file is truncated or corrupt, or belongs to another schema
      version or source; the message names the file.
  """
  path = pathlib.Path(path)
  meta_file = path / META
  try:
    meta = read_json(meta_file)
    version, records = meta["schema_version"], meta["columns"]
    if version != SCHEMA_VERSION:
      raise StaleError(
        f"{meta_file}: schema version {quoted_value(version)}, but this program"
        f" reads {SCHEMA_VERSION}"
      )
    if meta["crc32"] != _checksum_of_meta(meta):
      raise ValueError("corrupt: its checksum does not match")
    if fingerprint is not None and meta["fingerprint"] != fingerprint:
      raise StaleError(
        f"{meta_file}: it was made from another version of the source"
      )
    schema = Schema.from_json(meta["schema"])
    _check_names(records)
    columns = {
      name: _open_column(
        path / f"{paths.check_part(name, 'a column')}.npy", record, verify
      )
      for name, record in records.items()
    }
    splits = _popped(columns, "split_")
    offsets, texts = _popped(columns, "offsets_"), _popped(columns, "text_")
    return GraphStore(
      schema=schema,
      splits=splits,
      texts={k: TextColumn(offsets[k], text) for k, text in texts.items()},
      **columns,
    )
  except (FileNotFoundError, NotADirectoryError):
    raise FileNotFoundError(f"{meta_file}: no such file") from None
  except (_ColumnError, StaleError):
    raise
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f"{meta_file}: {brief(str(error), 300)}") from error


def _check_names(names: Iterable[str]) -> None:
  """Raises ValueError if a column is missing, or none that is known."""
  for column in _COLUMNS:
    if column not in names:
      raise ValueError(f"the store has no column {column!r}")
  for name in names:
    known = (*_COLUMNS, "rows")
    if name not in known and not name.startswith(_PREFIXES):
      raise ValueError(f"unknown column {name!r}.{suggest(name, known)}")


def _popped(
  columns: dict[str, np.ndarray], prefix: str
) -> dict[str, np.ndarray]:
  """Takes the columns of one kind out of all, by the rest of their names."""
  names = [name for name in columns if name.startswith(prefix)]
  return {name.removeprefix(prefix): columns.pop(name) for name in names}


def _listed(names: Sequence[str]) -> str:
  """Returns the names with commas between, a few of them if they are many."""
  if len(names) <= _MOST_NAMED:
    return ", ".join(names)
  return f"{', '.join(names[:3])}, ... {names[-1]} ({len(names)} in all)"


class StaleError(ValueError):
  """A sound store, but not of this program or this source."""


class _ColumnError(ValueError):
  """A column file that is not what meta.json says; the message names it."""


def _open_column(
  file: pathlib.Path, record: Mapping[str, object], verify: bool
) -> np.ndarray:
  """Returns the memory-mapped array of a file that is as `record` says."""
  if not file.exists():
    raise _ColumnError(f"{file}: no such file, but {META} has this column")
  size = file.stat().st_size
  if size != record["bytes"]:
    raise _ColumnError(
      f"{file}: truncated or replaced: {size} bytes, expected {record['bytes']}"
    )
  if verify and _checksum(file) != record["crc32"]:
    raise _ColumnError(f"{file}: corrupt: its checksum does not match")
  try:
    array = np.load(file, mmap_mode="r", allow_pickle=False)
  except ValueError as error:
    raise _ColumnError(f"{file}: corrupt: {error}") from error
  found = [str(array.dtype), list(array.shape)]
  if found != [record["dtype"], record["shape"]]:
    raise _ColumnError(
      f"{file}: corrupt: holds {found[0]} {found[1]}, expected"
      f" {record['dtype']} {record['shape']}"
    )
  return np.asarray(array)  # A plain view: np.memmap is slow to index.


def _checksum_of_meta(meta: Mapping[str, object]) -> int:
  """Returns a number that changes with any field but itself."""
  others = {name: value for name, value in meta.items() if name != "crc32"}
  return zlib.crc32(json.dumps(others, sort_keys=True).encode())


def _checksum(file: pathlib.Path) -> int:
  return zlib.crc32(np.memmap(file, np.uint8, mode="r").data)
