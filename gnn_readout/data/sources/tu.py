"""The TU collection of graph datasets, from the files of its distribution.

A dataset lies in `data_dir/tu/NAME.zip`, as it is fetched, or unpacked in
`data_dir/tu/NAME`: one line of NAME_A.txt per edge, `u, v` with nodes counted
from 1 over all graphs; one line of NAME_graph_indicator.txt per node; one line
of NAME_graph_labels.txt (classes) or NAME_graph_attributes.txt (numbers to be
predicted) per graph; and, if there are any, labels and attributes of nodes and
edges. It has no split: see `folds`.

Letters: G graphs, N nodes and E edges of all graphs, F features.
Reference: Morris et al. 2020, "TUDataset", https://chrsmrrs.github.io/datasets.
"""

from __future__ import annotations

import difflib
import glob
import pathlib
import re
import zipfile
from collections.abc import Callable, Collection
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from gnn_readout import paths
from gnn_readout.data.building import (
  build_store,
  feature_dtype,
  is_symmetric,
)
from gnn_readout.data.checks import LARGEST
from gnn_readout.data.sources import archives, wl_hash
from gnn_readout.data.sources.base import Archive
from gnn_readout.data.sources.csv_numbers import (
  count_columns,
  read_integers,
  read_reals,
)
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import brief, suggest

# Those on which Y. Zhang's thesis (table 5.10) and Xu et al. 2019 report.
USUAL = (
  "COLLAB",
  "IMDB-BINARY",
  "IMDB-MULTI",
  "MUTAG",
  "NCI1",
  "PROTEINS",
  "PTC_MR",
  "REDDIT-BINARY",
  "REDDIT-MULTI-5K",
)

_URL = "https://www.chrsmrrs.com/graphkerneldatasets"

# The node features of Xu et al. 2019 by the start of the name. Other datasets
# have their labels, else their attributes, else the degrees.
_USUAL_FEATURES = {"COLLAB": "degree", "IMDB-": "degree", "REDDIT-": "constant"}


# What a file may say of nodes, edges or graphs, and what features are made of.
_FILES = ("label", "attribute")
_NEEDED = {"label": ("label",), "attribute": _FILES}
_KINDS = (
  "A",
  "graph_indicator",
  *(f"{of}_{what}s" for of in ("node", "edge", "graph") for what in _FILES),
)
_ALIKE = 0.8  # From which on a file's name is taken for a slip.


def archive_of(dataset: str) -> Archive | None:
  """Returns what `tu/NAME` is fetched as; any NAME may be there."""
  name = dataset.removeprefix("tu/")
  if not re.fullmatch(r"[\w-]+", name):
    return None
  return Archive((f"{_URL}/{name}.zip",), f"tu/{name}", name)


def tu_files(name: str, data_dir: str | PathLike[str]) -> list[pathlib.Path]:
  """Returns the files that a dataset is made from: the zip, or the texts.

  Args:
    name: Name, such as `'MUTAG'`.
    data_dir: The folder that holds `tu/`.

  Raises:
    ValueError: The name leads elsewhere.
    FileNotFoundError: There is neither; the message says how to get it.
  """
  paths.check_part(name, "NAME of a dataset tu/NAME")
  folder = pathlib.Path(data_dir) / "tu" / name
  if folder.is_dir():
    return sorted(folder.glob(f"{glob.escape(name)}_*.txt")) or [folder]
  path = folder.with_name(f"{name}.zip")
  if not path.is_file():
    hint = "" if name in USUAL else suggest(name, USUAL)
    raise FileNotFoundError(
      f"{path}: no such file.{hint} To fetch it: python -m launch.download"
      f" --dataset=tu/{name} --data_dir={data_dir}"
    )
  return [path]


def read_tu(
  name: str,
  data_dir: str | PathLike[str],
  features: str | None = None,
  remove_duplicates: bool = False,
  targets: str | None = None,
) -> GraphStore:
  """Reads a dataset of the TU collection.

  Self-loops are left out, and of equal edges all but the first. Edges are
  directed as in the file, which has both directions of an undirected one. Only
  the files that are needed are read.
  Classes are numbered in the order of their labels. A graph without nodes is
  one whose number the indicator skips. Edge features are the labels where
  there is nothing else, or real numbers: the attributes and the labels one-hot.

  Args:
    name: Name, such as `'MUTAG'`.
    data_dir: The folder that holds `tu/NAME.zip` or `tu/NAME/`.
    features: Features of the nodes: `'label'`; `'attribute'`, real numbers, the
      labels one-hot beside them; `'degree'`, the number of edges that reach a
      node, as a category; `'constant'`, the same category for all. By default
      as Xu et al. 2019 have it: the degree for IMDB and COLLAB, a constant for
      REDDIT, else the labels if there are any, then the attributes, then the
      degree.
    targets: What is learned of a graph: its `'label'`, a class, or its
      `'attribute'`, numbers; by default the attributes if there are any.
    remove_duplicates: Whether to leave out graphs that repeat an earlier one as
      far as the Weisfeiler-Lehman test can tell, see `wl_hash`.

  Returns:
    The store, without splits; its `rows` are the graphs' numbers in the files.
    Classes are scored by accuracy, numbers by the
    mean absolute error.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: `features` is unknown or not to be had, or a file is damaged or
      contradicts the others; the message names the file and the row, counted
      from 1.
  """
  if features is not None and features not in _FEATURES:
    known = suggest(features, _FEATURES)
    raise ValueError(f"unknown features {features!r}.{known}")
  if targets is not None and targets not in _TARGETS:
    raise ValueError(
      f"unknown targets {targets!r}.{suggest(targets, _TARGETS)}"
    )
  files = _Files(name, _open(name, data_dir))
  others = files.others()
  labels, task, notes = _read_targets(files, targets)
  if others:
    notes.append(f"not read: {brief(', '.join(others), 200)}")
  num_graphs = len(labels)
  graph = _read_indicator(files, num_graphs)  # [N]
  num_nodes = len(graph)
  senders, receivers = _read_edges(files, graph)  # [E], [E]
  there = files.kinds("node")
  kind = features or _usual_features(name, there)
  if kind in _FILES and kind not in there:
    raise ValueError(
      f"{files.root}: features={kind!r}, but there is no"
      f" {name}_node_{kind}s.txt"
    )
  about_nodes = files.descriptions(
    "node", num_nodes, "graph_indicator", _NEEDED.get(kind, ())
  )
  about_edges = files.descriptions("edge", len(senders), "A", _FILES)
  notes += [f"node features: {kind}"]
  if edge_kinds := files.kinds("edge"):
    notes += [f"edge features: {' and '.join(sorted(edge_kinds))}"]
  if (np.diff(graph) < 0).any():  # A store has the nodes graph by graph.
    order = np.argsort(graph, kind="stable")
    place = np.argsort(order)
    graph, senders, receivers = graph[order], place[senders], place[receivers]
    about_nodes = _Descriptions(*(table[order] for table in about_nodes))

  encode = _real_values if about_edges.attributes.shape[1] else _categories
  edges = encode(about_edges)
  senders, receivers, values = _without_repetitions(
    senders, receivers, num_nodes, edges.values
  )
  degrees = np.bincount(receivers, minlength=num_nodes)  # [N]
  nodes = _FEATURES[kind](about_nodes, degrees)
  sizes = np.bincount(graph, minlength=num_graphs)  # [G]
  first = np.cumsum(sizes) - sizes  # [G]
  shift = first[graph[receivers]]  # [E]
  store = build_store(
    Schema(
      name=f"tu/{name}",
      node_sizes=nodes.sizes,
      edge_sizes=edges.sizes,
      node_dim=nodes.values.shape[1],
      edge_dim=values.shape[1],
      symmetric=is_symmetric(senders, receivers, num_nodes),
      notes=tuple(notes),
      **task,
    ),
    num_nodes=sizes,
    num_edges=np.bincount(graph[receivers], minlength=num_graphs),
    nodes=nodes.values,
    edges=values,
    senders=senders - shift,
    receivers=receivers - shift,
    labels=labels,
    splits={},
    source=str(files.path("A")),
    rows=np.arange(1, num_graphs + 1),
  )
  return wl_hash.without_duplicates(store) if remove_duplicates else store


class _Descriptions(NamedTuple):
  """What is said of M nodes or edges; [M, 0] where nothing is."""

  labels: np.ndarray
  attributes: np.ndarray


class _Features(NamedTuple):
  """Columns [M, F] and the vocabulary of each; () for real values."""

  values: np.ndarray
  sizes: tuple[int, ...]


class _Files(NamedTuple):
  """The files of a dataset, in a folder or in a zip."""

  name: str
  root: pathlib.Path | zipfile.Path

  def path(self, kind: str) -> pathlib.Path | zipfile.Path:
    return self.root / f"{self.name}_{kind}.txt"

  def read(
    self,
    kind: str,
    reader: Callable[..., np.ndarray],
    num_columns: int | None = None,
    num_rows: int | None = None,
    like: str = "",
  ) -> np.ndarray:
    """Returns a table [num_rows, num_columns], as many rows as `like` has."""
    path = self.path(kind)
    if not path.is_file():
      raise FileNotFoundError(f"{path}: no such file")
    columns = num_columns or count_columns(path)
    reason = f", as in {self.name}_{like}.txt"
    return reader(path, columns, num_rows, reason, loose=True)

  def kinds(self, what: str) -> set[str]:
    """Returns which of `_FILES` there are of nodes, edges or graphs."""
    return {k for k in _FILES if self.path(f"{what}_{k}s").is_file()}

  def others(self) -> list[str]:
    """Returns the names of files that are not of the collection's layout.

    Raises:
      ValueError: One looks like a file that is not there.
    """
    expected = [self.path(kind).name for kind in _KINDS]
    there = [path.name for path in self.root.iterdir() if path.is_file()]
    missing = [name for name in expected if name not in there]
    others = sorted(set(there) - set(expected))
    start = f"{self.name}_"
    kinds = [name.removeprefix(start) for name in missing]
    for name in others:
      kind = name.removeprefix(start)
      if near := difflib.get_close_matches(kind, kinds, 1, _ALIKE):
        raise ValueError(
          f"{self.root / name}: no file of this name is read; rename it to"
          f" {start}{near[0]} if that is meant, or delete it"
        )
    return [name for name in others if "readme" not in name.lower()]

  def attributes(self, what: str, *rows: Any) -> np.ndarray:
    """Returns the numbers that a file says of nodes, edges or graphs."""
    table = self.read(f"{what}_attributes", read_reals, None, *rows)
    empty = np.isnan(table).all(axis=0)
    if table.shape[1] > 1 and empty[-1]:  # A comma at the end of every line.
      table = table[:, :-1]
    return table

  def descriptions(
    self, what: str, num_rows: int, like: str, needed: Collection[str]
  ) -> _Descriptions:
    """Returns labels and attributes of all nodes or all edges, where needed."""
    labels = np.zeros((num_rows, 0), np.int32)
    attributes = np.zeros((num_rows, 0), np.float32)
    needed = self.kinds(what).intersection(needed)
    if "label" in needed:
      labels = self.read(f"{what}_labels", _read_labels, None, num_rows, like)
    if "attribute" in needed:
      attributes = self.attributes(what, num_rows, like)
      missing = np.isnan(attributes).any(axis=1)
      self.check(f"{what}_attributes", missing, lambda row: "a field is empty")
      large = np.abs(attributes).max(axis=1, initial=0) > LARGEST
      self.check(
        f"{what}_attributes",
        large,
        lambda row: (
          f"{np.abs(attributes[row]).max():g} is too large for a feature,"
          f" which may be at most {LARGEST:g}: its square is beyond float32"
        ),
      )
    return _Descriptions(labels, attributes)

  def check(
    self, kind: str, wrong: np.ndarray, describe: Callable[[int], str]
  ) -> None:
    """Raises ValueError at the first wrong row, if there is one."""
    if wrong.any():
      row = int(np.argmax(wrong))
      raise ValueError(f"{self.path(kind)}: row {row + 1}: {describe(row)}")


def _open(
  name: str, data_dir: str | PathLike[str]
) -> pathlib.Path | zipfile.Path:
  """Returns the folder of a dataset, which may be one in a zip."""
  first = tu_files(name, data_dir)[0]
  if first.suffix == ".zip":
    return archives.open_folder(first, name)
  return pathlib.Path(data_dir) / "tu" / name


def _read_targets(
  files: _Files, chosen: str | None
) -> tuple[np.ndarray, dict[str, Any], list[str]]:
  """Returns labels [G, T], what the schema says of them, and notes."""
  there = files.kinds("graph")
  kind = chosen or ("attribute" if "attribute" in there else "label")
  notes = []
  if len(there) > 1:
    (other,) = there - {kind}
    notes.append(
      f"learned: {files.path(f'graph_{kind}s').name}; there are {other}s too:"
      f" --config.tu.targets={other}"
    )
  labels, task = _TARGETS[kind](files)
  return labels, task, notes


def _numbers_to_predict(files: _Files) -> tuple[np.ndarray, dict[str, Any]]:
  labels = files.attributes("graph")
  num_tasks = labels.shape[1]
  return labels, {
    "task_type": "regression",
    "metric": "mae",
    "num_tasks": num_tasks,
    "num_classes": 0,
    "task_names": tuple(f"attribute_{i}" for i in range(num_tasks)),
  }


def _classes_to_predict(files: _Files) -> tuple[np.ndarray, dict[str, Any]]:
  labels = files.read("graph_labels", _read_labels, num_columns=1)
  values, classes = np.unique(labels[:, 0], return_inverse=True)
  return classes[:, None].astype(np.float32), {
    "task_type": "multiclass",
    "metric": "accuracy",
    "num_tasks": 1,
    "num_classes": len(values),
    "task_names": ("class",),
    "class_names": tuple(str(value) for value in values.tolist()),
  }


_TARGETS = {"attribute": _numbers_to_predict, "label": _classes_to_predict}


def _read_labels(*args: Any, **options: Any) -> np.ndarray:
  """Returns a table of whole numbers, of which some write `2` as `2.0`."""
  return read_integers(*args, **options, with_point=True)


def _read_indicator(files: _Files, num_graphs: int) -> np.ndarray:
  """Returns the graph of each node, from 0: [N]."""
  numbers = files.read("graph_indicator", read_integers, num_columns=1)[:, 0]
  files.check(
    "graph_indicator",
    (numbers < 1) | (numbers > num_graphs),
    lambda row: (
      f"graph {numbers[row]}, but graphs are numbered from 1 to"
      f" {num_graphs}, the number of labelled graphs"
    ),
  )
  return numbers - 1


def _read_edges(
  files: _Files, graph: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns senders and receivers, counted from 0 over all graphs: [E]."""
  pairs = files.read("A", read_integers, num_columns=2)  # [E, 2]
  senders, receivers = pairs[:, 0] - 1, pairs[:, 1] - 1

  def edge(row: int) -> str:
    return f"an edge of nodes {pairs[row, 0]} and {pairs[row, 1]}"

  files.check(
    "A",
    ((pairs < 1) | (pairs > len(graph))).any(axis=1),
    lambda row: f"{edge(row)}, but nodes are numbered from 1 to {len(graph)}",
  )
  files.check(
    "A",
    graph[senders] != graph[receivers],
    lambda row: (
      f"{edge(row)}, which are in graphs {graph[senders[row]] + 1}"
      f" and {graph[receivers[row]] + 1}"
    ),
  )
  return senders, receivers


def _without_repetitions(
  senders: np.ndarray,
  receivers: np.ndarray,
  num_nodes: int,
  features: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the edges that are no loops, each once, sorted by receiver."""
  proper = senders != receivers
  keys = (receivers.astype(np.int64) * num_nodes + senders)[proper]
  features = features[proper]
  if features.shape[1]:
    order = np.argsort(keys, kind="stable")
    keys, features = keys[order], features[order]
  else:
    keys.sort()  # Several times as fast.
  first = np.diff(keys, prepend=-1) != 0
  receivers, senders = np.divmod(keys[first], max(num_nodes, 1))
  return senders, receivers, features[first]


def _categories(about: _Descriptions, *unused) -> _Features:
  """Labels, numbered column by column in ascending order."""
  columns = [
    np.unique(column, return_inverse=True) for column in about.labels.T
  ]
  sizes = tuple(max(len(values), 1) for values, _ in columns)
  codes = np.zeros(about.labels.shape, feature_dtype(sizes))
  for i, (_, column) in enumerate(columns):
    codes[:, i] = column
  return _Features(codes, sizes)


def _real_values(about: _Descriptions, *unused) -> _Features:
  """Attributes, and labels one-hot."""
  codes, sizes = _categories(about)
  blocks = [
    codes[:, i, None] == np.arange(size) for i, size in enumerate(sizes)
  ]
  values = np.concatenate([about.attributes, *blocks], axis=1)
  return _Features(values.astype(np.float32), ())


def _degrees(about: _Descriptions, degrees: np.ndarray) -> _Features:
  """The number of edges that reach each node."""
  size = int(degrees.max(initial=0)) + 1
  return _Features(degrees[:, None].astype(feature_dtype((size,))), (size,))


def _constant(about: _Descriptions, *unused) -> _Features:
  """One category for all nodes."""
  return _Features(np.zeros((len(about.labels), 1), np.uint8), (1,))


_FEATURES = {
  "attribute": _real_values,
  "constant": _constant,
  "degree": _degrees,
  "label": _categories,
}


def _usual_features(name: str, there: Collection[str]) -> str:
  for start, features in _USUAL_FEATURES.items():
    if name.startswith(start):
      return features
  return next((kind for kind in _FILES if kind in there), "degree")
