"""A store from the graphs of networkx, which is not imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gnn_readout.data.own import parts
from gnn_readout.data.own.arrays import from_arrays
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import brief, quoted_value, suggest

_About = Sequence[tuple[str, dict[str, Any]]]


def from_networkx(
  path: str | os.PathLike[str] | None,
  graphs: Iterable[Any],
  labels: Any = "label",
  node_attributes: Sequence[str] | None = None,
  edge_attributes: Sequence[str] | None = None,
  words: Mapping[str, Sequence[str]] | None = None,
  **options: Any,
) -> GraphStore:
  """Makes a dataset from graphs of networkx, see `from_arrays`.

  An attribute that holds real numbers, or vectors of them, is a real-valued
  feature; whole numbers are categories, counted from 0, and words are
  categories in the order of `words`. Nodes have any names; they are numbered in
  the order in which a graph lists them.

  Args:
    path: As `from_arrays` takes it.
    graphs: All undirected, whose edges run both ways, or all directed.
    labels: Which attribute of the graphs holds them, a number, a word or a row
      of numbers; or as `from_arrays` takes them.
    node_attributes: Attributes that are features; None: all of the first node.
    edge_attributes: Attributes that are features; None: all of the first edge.
    words: By attribute of nodes or edges, all words that it may hold, in graphs
      to come as well; those of any other are what occurs here, in alphabetical
      order.
    **options: Others of `from_arrays`.

  Raises:
    ValueError: As `from_arrays`, a node, an edge or a graph lacks an attribute
      or has a word of its own, or directed and undirected graphs are mixed.
    OSError: As `from_arrays`.
  """
  graphs = list(graphs)
  kinds = [graph.is_directed() for graph in graphs]
  if len(set(kinds)) > 1:
    raise ValueError(
      f"graph {kinds.index(not kinds[0])} is"
      f" {'undirected' if kinds[0] else 'directed'} and graph 0 is not:"
      " convert all of them by graph.to_directed()"
    )
  if isinstance(labels, str):
    for i, graph in enumerate(graphs):
      if labels not in graph.graph:
        raise ValueError(f"graph {i} has no attribute {labels!r} as its label")
    rows = [graph.graph[labels] for graph in graphs]
    labels = parts.stacked_labels(rows, labels)
  nodes = [[*graph.nodes(data=True)] for graph in graphs]
  edges = [[*graph.edges(data=True)] for graph in graphs]
  places = [{node: i for i, (node, _) in enumerate(own)} for own in nodes]
  ends = [
    (place[u], place[v])
    for place, own in zip(places, edges, strict=True)
    for u, v, _ in own
  ]
  senders, receivers = np.array(ends, np.int64).reshape(-1, 2).T
  about_nodes = [
    (f"graph {g}, node {quoted_value(node)}", attributes)
    for g, own in enumerate(nodes)
    for node, attributes in own
  ]
  about_edges = [
    (f"graph {g}, edge {quoted_value((u, v))}", attributes)
    for g, own in enumerate(edges)
    for u, v, attributes in own
  ]
  of_nodes, node_sizes, notes = _features(
    about_nodes, node_attributes, words or {}
  )
  of_edges, edge_sizes, others = _features(
    about_edges, edge_attributes, words or {}
  )
  all_graphs = parts.Part(
    np.array([len(own) for own in nodes], np.int64),
    np.array([len(own) for own in edges], np.int64),
    senders,
    receivers,
    of_nodes,
    of_edges,
  )
  options = {
    "undirected": bool(kinds) and not kinds[0],
    "node_sizes": node_sizes,
    "edge_sizes": edge_sizes,
    **options,
    "notes": (*options.get("notes", ()), *notes, *others),
  }
  return from_arrays(
    path, **parts.joined([all_graphs]), labels=labels, **options
  )


def _features(
  about: _About, names: Sequence[str] | None, words: Mapping[str, Sequence[str]]
) -> tuple[dict[str, np.ndarray], list[int] | None, list[str]]:
  """Returns the features of all nodes or edges by kind, sizes and notes.

  Args:
    about: What each is called in a message, and its attributes.
    names: Names of the attributes; None: all that the first has.
    words: What some of them may hold.

  Returns:
    The features, the vocabulary size of each category (None if there is none),
    and what became of words.
  """
  if not about:
    return {}, None, []
  names = list(about[0][1]) if names is None else names
  columns: dict[str, Any] = {}
  sizes: list[int] = []
  notes: list[str] = []
  for name in names:
    values = []
    for where, attributes in about:
      if name not in attributes:
        raise ValueError(f"{where}: no attribute {name!r}")
      values.append(attributes[name])
    column, known = _column(name, values, about, words.get(name))
    columns[name] = column
    if known:
      numbered = ", ".join(f"{word} {i}" for i, word in enumerate(known))
      notes.append(f"categories of {name!r}: {brief(numbered, 200)}")
    if column.dtype.kind != "f":
      codes = column.reshape(len(column), -1)
      found = codes.max(axis=0).astype(np.int64) + 1
      sizes += [len(known)] if known else found.tolist()
  return parts.by_kind(columns, "attributes"), sizes or None, notes


def _column(
  name: str,
  values: list[Any],
  about: _About,
  known: Sequence[str] | None,
) -> tuple[np.ndarray, list[str]]:
  """Returns an attribute of all as an array, and the words that it numbers."""
  are_words = [isinstance(value, str) for value in values]
  if all(are_words):
    words = sorted(set(values)) if known is None else list(known)
    place = {word: i for i, word in enumerate(words)}
    for (where, _), value in zip(about, values, strict=True):
      if value not in place:
        raise ValueError(
          f"{where}: attribute {name!r} is {quoted_value(value)}, which is not"
          f" one of its words.{suggest(value, words)}"
        )
    return np.array([place[value] for value in values]), words
  shape = np.shape(values[0])
  for (where, _), value in zip(about, values, strict=True):
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.shape != shape or len(shape) > 1:
      raise ValueError(
        f"{where}: attribute {name!r} is {quoted_value(value)}, expected a"
        " number, or a vector as long as those of the others"
      )
  return np.asarray(values), []
