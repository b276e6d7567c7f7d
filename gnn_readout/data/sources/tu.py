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

from collections.abc import Collection
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.building import (
  build_store,
  feature_dtype,
  is_symmetric,
)
from gnn_readout.data.sources import wl_hash
from gnn_readout.data.sources.csv_numbers import read_integers
from gnn_readout.data.sources.tu_files import (
  DESCRIPTIONS,
  Descriptions,
  Files,
  open_files,
  read_labels,
)
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import brief, suggest

# The node features of Xu et al. 2019 by the start of the name. Other datasets
# have their labels, else their attributes, else the degrees.
_USUAL_FEATURES = {"COLLAB": "degree", "IMDB-": "degree", "REDDIT-": "constant"}

# What has to be read for a kind of features.
_NEEDED = {"label": ("label",), "attribute": DESCRIPTIONS}


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
  files = open_files(name, data_dir)
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
  if kind in DESCRIPTIONS and kind not in there:
    raise ValueError(
      f"{files.root}: features={kind!r}, but there is no"
      f" {name}_node_{kind}s.txt"
    )
  about_nodes = files.descriptions(
    "node", num_nodes, "graph_indicator", _NEEDED.get(kind, ())
  )
  about_edges = files.descriptions("edge", len(senders), "A", DESCRIPTIONS)
  notes += [f"node features: {kind}"]
  if edge_kinds := files.kinds("edge"):
    notes += [f"edge features: {' and '.join(sorted(edge_kinds))}"]
  if (np.diff(graph) < 0).any():  # A store has the nodes graph by graph.
    order = np.argsort(graph, kind="stable")
    place = np.argsort(order)
    graph, senders, receivers = graph[order], place[senders], place[receivers]
    about_nodes = Descriptions(*(table[order] for table in about_nodes))

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


class _Features(NamedTuple):
  """Columns [M, F] and the vocabulary of each; () for real values."""

  values: np.ndarray
  sizes: tuple[int, ...]


def _read_targets(
  files: Files, chosen: str | None
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


def _numbers_to_predict(files: Files) -> tuple[np.ndarray, dict[str, Any]]:
  labels = files.attributes("graph")
  num_tasks = labels.shape[1]
  return labels, {
    "task_type": "regression",
    "metric": "mae",
    "num_tasks": num_tasks,
    "num_classes": 0,
    "task_names": tuple(f"attribute_{i}" for i in range(num_tasks)),
  }


def _classes_to_predict(files: Files) -> tuple[np.ndarray, dict[str, Any]]:
  labels = files.read("graph_labels", read_labels, num_columns=1)
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


def _read_indicator(files: Files, num_graphs: int) -> np.ndarray:
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
  files: Files, graph: np.ndarray
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


def _categories(about: Descriptions, *unused: np.ndarray) -> _Features:
  """Labels, numbered column by column in ascending order."""
  columns = [
    np.unique(column, return_inverse=True) for column in about.labels.T
  ]
  sizes = tuple(max(len(values), 1) for values, _ in columns)
  codes = np.zeros(about.labels.shape, feature_dtype(sizes))
  for i, (_, column) in enumerate(columns):
    codes[:, i] = column
  return _Features(codes, sizes)


def _real_values(about: Descriptions, *unused: np.ndarray) -> _Features:
  """Attributes, and labels one-hot."""
  codes, sizes = _categories(about)
  blocks = [
    codes[:, i, None] == np.arange(size) for i, size in enumerate(sizes)
  ]
  values = np.concatenate([about.attributes, *blocks], axis=1)
  return _Features(values.astype(np.float32), ())


def _degrees(about: Descriptions, degrees: np.ndarray) -> _Features:
  """The number of edges that reach each node."""
  size = int(degrees.max(initial=0)) + 1
  return _Features(degrees[:, None].astype(feature_dtype((size,))), (size,))


def _constant(about: Descriptions, *unused: np.ndarray) -> _Features:
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
  return next((kind for kind in DESCRIPTIONS if kind in there), "degree")
