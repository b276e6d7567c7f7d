"""A store from arrays: the one way in for graphs of one's own.

Letters: G graphs, N nodes of all graphs, E edges of all graphs, T tasks, F_v
and F_c real-valued and categorical features.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data import checks
from gnn_readout.data.building import build_store, is_symmetric
from gnn_readout.data.own.labels import Labels, read_labels
from gnn_readout.data.own.splits import make_split
from gnn_readout.data.store import METRICS, GraphStore, Schema, open_store
from gnn_readout.wording import counted

_MOST_CATEGORIES = 100_000  # Of one feature; each has an embedding.


def from_arrays(
  path: str | os.PathLike[str] | None,
  *,
  num_nodes: Any,
  num_edges: Any,
  senders: Any,
  receivers: Any,
  labels: Any = None,
  node_values: Any = None,
  node_categories: Any = None,
  edge_values: Any = None,
  edge_categories: Any = None,
  node_sizes: Sequence[int] | None = None,
  edge_sizes: Sequence[int] | None = None,
  undirected: bool = False,
  task_type: str | None = None,
  metric: str | None = None,
  task_names: Sequence[str] | None = None,
  split: str | Sequence[str] | Mapping[str, Any] = "random",
  shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
  seed: int = 0,
  smiles: Sequence[str] | None = None,
  name: str | None = None,
  notes: Sequence[str] = (),
) -> GraphStore:
  """Makes a dataset of graphs from arrays, and writes it as a folder.

  Real-valued features are encoded by a linear map and categories by embeddings;
  a node or an edge may have both. Numbers are taken as they are: scale those
  of very different sizes before. Without any, all nodes are of one category.

  Args:
    path: The folder to write, whole or not at all; one that exists is
      replaced. None: nothing is written.
    num_nodes: [G] nodes of each graph; a graph may have none.
    num_edges: [G] edges of each graph.
    senders: [E], counted from 0 within the graph.
    receivers: [E], likewise.
    labels: [G] or [G, T], NaN = missing, see `labels.read_labels`; None: there
      are none, and the graphs can only be predicted.
    node_values: [N, F_v] or [N] real numbers.
    node_categories: [N, F_c] or [N] whole numbers from 0.
    edge_values: [E, F_v] or [E] real numbers.
    edge_categories: [E, F_c] or [E] whole numbers from 0.
    node_sizes: [F_c] how many categories each of `node_categories` has, in
      graphs to come as well; None: as many as there are here.
    edge_sizes: [F_c], likewise.
    undirected: Whether each edge stands for both directions and is listed once:
      the inverse is added, with the same features. If not, messages run from
      senders to receivers and nowhere else.
    task_type: 'binary', 'multiclass' or 'regression'; None: by the labels.
    metric: Metric as in `Schema`; None: the usual one of the task.
    task_names: [T]; None: 'label', or 'task_0', 'task_1' and so on.
    split: 'random', 'stratified' by class, 'scaffold' of `smiles`, or 'none'
      for cross-validation; or [G] words such as 'train', 'valid' and 'test'; or
      graph indices by such a word.
    shares: Shares of train, valid and test, where they are drawn.
    seed: Seed of the draw.
    smiles: [G], kept with the graphs and written beside their predictions.
    name: Name of the dataset; None: that of the folder.
    notes: Sentences to be printed with the dataset and kept in records.

  Returns:
    The store; memory-mapped if it was written.

  Raises:
    ValueError: Lengths disagree, an edge leads out of its graph, a feature is
      NaN, labels are of a wrong shape or kind, or the split cannot be; the
      message names the graph.
    OSError: The folder cannot be written.
  """
  name = name or (pathlib.Path(path).absolute().name if path else "graphs")
  num_nodes, num_edges, senders, receivers = (
    _whole(name, what, values)
    for what, values in (
      ("num_nodes", num_nodes),
      ("num_edges", num_edges),
      ("senders", senders),
      ("receivers", receivers),
    )
  )
  for what, counts in (("num_nodes", num_nodes), ("num_edges", num_edges)):
    if (counts < 0).any():
      raise ValueError(
        f"{name}: {what} of graph {np.argmax(counts < 0)} is"
        f" {counts[np.argmax(counts < 0)]}"
      )
  num_graphs = len(num_nodes)
  if not num_graphs:
    raise ValueError(f"{name}: it holds no graphs")
  told = list(notes)
  nodes = _features(
    name, "node", int(num_nodes.sum()), node_values, node_categories, node_sizes
  )
  edges = _features(
    name, "edge", int(num_edges.sum()), edge_values, edge_categories, edge_sizes
  )
  if not nodes.table.shape[1]:
    nodes = _Features(np.zeros((len(nodes.table), 1), np.uint8), (1,))
    told.append("nodes have no features: all are of one category")
  known = read_labels(name, labels, num_graphs, task_type)
  drawn = make_split(
    name, split, num_graphs, known.classes, smiles, shares, seed
  )
  schema = Schema(
    name=name,
    task_type=known.task_type,
    num_tasks=known.values.shape[1],
    num_classes=len(known.class_names),
    metric=metric or METRICS[known.task_type][0],
    node_sizes=nodes.sizes,
    edge_sizes=edges.sizes,
    node_dim=nodes.table.shape[1],
    edge_dim=edges.table.shape[1],
    task_names=_task_names(known, task_names),
    class_names=known.class_names,
    split_from=drawn.origin,
  )
  columns = num_nodes, num_edges, nodes.table, edges.table
  if undirected:  # To be checked before they are turned.
    edges_of = senders, receivers
    checks.check_shapes(name, schema, *columns, *edges_of, known.values)
    checks.check_edges(name, num_nodes, num_edges, *edges_of)
    num_edges, rows, senders, receivers = _both_directions(
      name, num_nodes, num_edges, senders, receivers
    )
    edges = edges._replace(table=edges.table[rows])
  texts = {} if smiles is None else {"smiles": [str(s) for s in smiles]}
  store = build_store(
    schema,
    num_nodes=num_nodes,
    num_edges=num_edges,
    nodes=nodes.table,
    edges=edges.table,
    senders=senders,
    receivers=receivers,
    labels=known.values,
    splits=drawn.splits,
    source=name,
    texts=texts,
  )
  told += [*_direction_notes(store), *_size_notes(store), *drawn.notes]
  symmetric = is_symmetric(*_over_all(store), len(store.nodes))
  store = dataclasses.replace(
    store,
    schema=dataclasses.replace(schema, symmetric=symmetric, notes=tuple(told)),
  )
  if path is None:
    return store
  store.save(path)
  return open_store(path)


class _Features(NamedTuple):
  """Features [M, F], categories first, and the vocabularies of these."""

  table: np.ndarray
  sizes: tuple[int, ...]


def _whole(name: str, what: str, values: Any) -> np.ndarray:
  """Returns a vector of whole numbers."""
  array = np.asarray(values)
  if not array.size:
    array = array.astype(np.int64)
  if array.ndim != 1 or array.dtype.kind not in "iu":
    raise ValueError(
      f"{name}: {what} is of type {array.dtype} and shape {array.shape},"
      " expected a vector of whole numbers"
    )
  return array.astype(np.int64)


def _features(
  name: str,
  kind: str,
  num_rows: int,
  values: Any,
  categories: Any,
  sizes: Sequence[int] | None,
) -> _Features:
  """Returns the features of all nodes or edges as one table."""
  numbers = _table(name, f"{kind}_values", num_rows, values, "fiub")
  codes = _table(name, f"{kind}_categories", num_rows, categories, "iub")
  if sizes is None:
    sizes = tuple(int(x) + 1 for x in codes.max(axis=0, initial=0))
  sizes = tuple(int(size) for size in sizes)
  if len(sizes) != codes.shape[1]:
    raise ValueError(
      f"{name}: {kind}_sizes has {counted(len(sizes), 'number')} for"
      f" {counted(codes.shape[1], 'column')} of {kind}_categories"
    )
  for column, size in enumerate(sizes):
    if not 0 < size <= _MOST_CATEGORIES:
      raise ValueError(
        f"{name}: column {column} of {kind}_categories has {size:,}"
        f" categories, but at most {_MOST_CATEGORIES:,} are supported;"
        f" quantities belong in {kind}_values"
      )
  if not numbers.shape[1]:
    return _Features(codes, sizes)
  # What is beyond float32 is found by the check of the whole table.
  numbers = numbers.astype(np.float64)
  return _Features(np.concatenate([codes, numbers], axis=1), sizes)


def _table(
  name: str, what: str, num_rows: int, values: Any, kinds: str
) -> np.ndarray:
  """Returns [num_rows, F]; with F = 0 where there is nothing."""
  if values is None:
    return np.zeros((num_rows, 0), np.int32)
  array = np.asarray(values)
  if array.ndim == 1:
    array = array[:, None]
  if array.ndim != 2 or len(array) != num_rows:
    total = "num_nodes" if what.startswith("node") else "num_edges"
    raise ValueError(
      f"{name}: {what} is of shape {np.shape(values)}: expected"
      f" {counted(num_rows, 'row')}, the sum of {total}, and columns"
    )
  if array.dtype.kind not in kinds and array.size:
    right = "whole numbers" if "f" not in kinds else "numbers"
    raise ValueError(f"{name}: {what} is of type {array.dtype}, not {right}")
  return array


def _task_names(
  labels: Labels, task_names: Sequence[str] | None
) -> tuple[str, ...]:
  if task_names is not None:
    return tuple(str(name) for name in task_names)
  num_tasks = labels.values.shape[1]
  if num_tasks == 1:
    return ("label",)
  return tuple(f"task_{i}" for i in range(num_tasks))


def _both_directions(
  name: str,
  num_nodes: np.ndarray,
  num_edges: np.ndarray,
  senders: np.ndarray,
  receivers: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Adds the inverse behind each edge that is no loop.

  Returns:
    [G] edges of each graph, [E'] the row of each edge among those given, [E']
    senders, [E'] receivers.

  Raises:
    ValueError: An inverse is there already.
  """
  graph = np.repeat(np.arange(len(num_nodes)), num_edges)  # [E]
  first = (np.cumsum(num_nodes) - num_nodes)[graph]  # [E]
  total = max(int(num_nodes.sum()), 1)
  is_loop = senders == receivers
  keys = (senders + first) * total + receivers + first
  inverse = (receivers + first) * total + senders + first
  listed = np.isin(keys, inverse[~is_loop]) & ~is_loop
  if listed.any():
    row = int(np.argmax(listed))
    raise ValueError(
      f"{name}: graph {graph[row]} lists the edge of nodes {senders[row]} and"
      f" {receivers[row]} in both directions: with undirected=True each edge is"
      " listed once, and with undirected=False both are used as they are"
    )
  times = np.where(is_loop, 1, 2)
  rows = np.repeat(np.arange(len(senders)), times)  # [E']
  turned = np.diff(rows, prepend=-1) == 0
  return (
    np.bincount(graph[rows], minlength=len(num_nodes)),
    rows,
    np.where(turned, receivers[rows], senders[rows]),
    np.where(turned, senders[rows], receivers[rows]),
  )


def _over_all(store: GraphStore) -> tuple[np.ndarray, np.ndarray]:
  """Returns senders and receivers, counted over all graphs: [E], [E]."""
  first = np.repeat(store.node_offsets[:-1], store.num_edges)
  return store.senders + first, store.receivers + first


def _direction_notes(store: GraphStore) -> list[str]:
  senders, receivers = _over_all(store)
  total = max(len(store.nodes), 1)
  keys, inverse = senders * total + receivers, receivers * total + senders
  alone = int((~np.isin(keys, inverse)).sum())
  if not alone:
    return []
  return [
    f"edges are directed: {alone:,} of {len(keys):,} have no inverse, and"
    " messages run from sender to receiver only; undirected=True adds the"
    " inverses"
  ]


def _size_notes(store: GraphStore) -> list[str]:
  notes = []
  for kind, counts in (("nodes", store.num_nodes), ("edges", store.num_edges)):
    empty = int((counts == 0).sum())
    if empty:
      has = "has" if empty == 1 else "have"
      notes.append(f"{counted(empty, 'graph')} {has} no {kind}")
  return notes
