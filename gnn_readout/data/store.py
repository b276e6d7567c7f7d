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
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from absl import logging

from gnn_readout.errors import suggest
from gnn_readout.files import atomic_directory

SCHEMA_VERSION = 2
# The metrics of each task type, the usual one first.
METRICS = {
  "binary": ("ap", "rocauc"),
  "multiclass": ("accuracy",),
  "regression": ("rmse", "mae"),
}

_META = "meta.json"
_COLUMNS = (
  "node_offsets",
  "edge_offsets",
  "nodes",
  "edges",
  "senders",
  "receivers",
  "labels",
)


@dataclasses.dataclass(frozen=True)
class Schema:
  """What the columns of a dataset mean.

  Attributes:
    name: Such as `'ogbg-molhiv'`.
    task_type: `'binary'` (any number of tasks, NaN = missing label),
      `'multiclass'` or `'regression'`.
    num_tasks: Columns of labels; 1 for multiclass.
    num_classes: Classes of a multiclass task, else 0.
    metric: `'ap'`, `'rocauc'`, `'rmse'`, `'mae'` or `'accuracy'`.
    node_sizes: Vocabulary of each categorical node feature; () = real values.
    edge_sizes: The same for edges; () = real values or no features.
    node_dim: Columns of node features.
    edge_dim: Columns of edge features, possibly 0.
    task_names: One name per task.
    symmetric: Whether it is known that no edge comes twice and the inverse of
      every edge is there too: in-neighbours are out-neighbours.
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

  def __post_init__(self):
    task, metric = self.task_type, self.metric
    if task not in METRICS:
      raise ValueError(f"unknown task_type {task!r}.{suggest(task, METRICS)}")
    if metric not in METRICS[task]:
      raise ValueError(
        f"unknown metric {metric!r} for task_type {task!r}."
        f"{suggest(metric, METRICS[task])}"
      )
    for field in ("node_sizes", "edge_sizes", "task_names"):
      object.__setattr__(self, field, tuple(getattr(self, field)))
    if len(self.task_names) != self.num_tasks:
      raise ValueError(
        f"{self.name}: {len(self.task_names)} task names for"
        f" {self.num_tasks} tasks"
      )
    if self.task_type == "multiclass" and self.num_tasks != 1:
      raise ValueError(
        f"{self.name}: a multiclass dataset has 1 column of labels, not"
        f" {self.num_tasks}"
      )

  def to_json(self) -> dict[str, object]:
    """Returns plain values that `json.dumps` accepts."""
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, object]) -> Schema:
    """Returns the schema that `to_json` wrote."""
    return cls(**values)


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

  @property
  def num_graphs(self) -> int:
    """G."""
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

  def save(self, path: str | os.PathLike[str], fingerprint: str = "") -> None:
    """Writes the columns into the folder `path`, whole or not at all.

    Args:
      path: A folder; one that exists is replaced.
      fingerprint: Identifies the source that the columns were made from.
    """
    columns = {name: getattr(self, name) for name in _COLUMNS}
    for name, indices in self.splits.items():
      columns[f"split_{name}"] = indices
    with atomic_directory(path) as folder:
      records = {}
      for name, array in columns.items():
        file = folder / f"{name}.npy"
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
      (folder / _META).write_text(json.dumps(meta, indent=1))


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
  meta_file = path / _META
  try:
    meta = json.loads(meta_file.read_text())
    version, records = meta["schema_version"], meta["columns"]
    if version != SCHEMA_VERSION:
      raise _StaleError(
        f"{meta_file}: schema version {version}, but this program reads"
        f" {SCHEMA_VERSION}"
      )
    if fingerprint is not None and meta["fingerprint"] != fingerprint:
      raise _StaleError(f"{meta_file}: made from another version of the source")
    schema = Schema.from_json(meta["schema"])
    columns = {
      name: _open_column(path / f"{name}.npy", record, verify)
      for name, record in records.items()
    }
    splits = {
      name.removeprefix("split_"): columns.pop(name)
      for name in list(columns)
      if name.startswith("split_")
    }
    return GraphStore(schema=schema, splits=splits, **columns)
  except (FileNotFoundError, NotADirectoryError):
    raise FileNotFoundError(f"{meta_file}: no such file") from None
  except (_ColumnError, _StaleError):
    raise
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f"{meta_file}: {error}") from error


class _StaleError(ValueError):
  """A sound store, but not of this program or this source."""


class _ColumnError(ValueError):
  """A column file that is not what meta.json says; the message names it."""


def _open_column(
  file: pathlib.Path, record: Mapping[str, object], verify: bool
) -> np.ndarray:
  """Returns the memory-mapped array of a file that is as `record` says."""
  size = file.stat().st_size if file.exists() else 0
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


def _checksum(file: pathlib.Path) -> int:
  return zlib.crc32(np.memmap(file, np.uint8, mode="r"))


def cached(
  cache_dir: str | os.PathLike[str],
  key: str,
  fingerprint: str,
  build: Callable[[], GraphStore],
) -> GraphStore:
  """Opens the store `cache_dir/key`, or builds and saves it.

  A cache that is missing, damaged, of another schema version or made from
  another source is built again. If it cannot be written (a full disk, a
  read-only folder), the store is used from memory and a warning logged.

  Args:
    cache_dir: The folder of all caches.
    key: The name of this one.
    fingerprint: Identifies the source, see `fingerprint_of`.
    build: Makes the store from the source.

  Returns:
    The memory-mapped store.
  """
  path = pathlib.Path(cache_dir) / key
  try:
    return open_store(path, verify=True, fingerprint=fingerprint)
  except FileNotFoundError:
    pass
  except _StaleError as error:
    logging.info("Building the cache again: %s", error)
  except (ValueError, OSError) as error:
    logging.warning("Building the cache again: %s", error)
  store = build()
  try:
    store.save(path, fingerprint)
    return open_store(path)
  except OSError as error:
    reason = error.strerror or error
    logging.warning("Cannot write the cache %s: %s", path, reason)
    return store


def fingerprint_of(files: Iterable[str | os.PathLike[str]]) -> str:
  """Returns a text that changes when a file's name, size or time does.

  Args:
    files: The files of the source.
  """
  stats = [(pathlib.Path(file).name, os.stat(file)) for file in files]
  return json.dumps([[name, s.st_size, s.st_mtime_ns] for name, s in stats])
