"""A store from the graphs of jraph."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_readout.data.own import parts
from gnn_readout.data.own.arrays import from_arrays
from gnn_readout.data.store import GraphStore
from gnn_readout.wording import counted

if TYPE_CHECKING:  # It imports JAX, which processes that read SMILES do not.
  import jraph


def from_jraph(
  path: str | os.PathLike[str] | None,
  graphs: jraph.GraphsTuple | Sequence[jraph.GraphsTuple],
  labels: Any = None,
  **options: Any,
) -> GraphStore:
  """Makes a dataset from graphs of jraph, see `from_arrays`.

  Features of a real type are numbers, those of an integer type categories; they
  are arrays, or several of them by name.

  Args:
    path: As `from_arrays` takes it.
    graphs: One tuple or several, each of one graph or several, without padding
      (`jraph.unpad_with_graphs`). Edges are used as they are, directed.
    labels: As `from_arrays` takes them; or a name, where `globals` has several
      arrays; None: `globals` itself.
    **options: Others of `from_arrays`.

  Raises:
    ValueError: As `from_arrays`, or a tuple does not fit together.
    OSError: As `from_arrays`.
  """
  import jraph

  tuples = [graphs] if isinstance(graphs, jraph.GraphsTuple) else [*graphs]
  if labels is None or isinstance(labels, str):
    labels = _own_labels(tuples, labels)
  found = parts.joined(_part(i, graph) for i, graph in enumerate(tuples))
  return from_arrays(path, **found, labels=labels, **options)


def _part(i: int, graphs: jraph.GraphsTuple) -> parts.Part:
  where = f"GraphsTuple {i}"
  num_nodes, num_edges = np.asarray(graphs.n_node), np.asarray(graphs.n_edge)
  ends = [
    np.zeros(0, np.int64) if x is None else np.asarray(x)
    for x in (graphs.senders, graphs.receivers)
  ]
  for name, end in zip(("senders", "receivers"), ends, strict=True):
    if len(end) != num_edges.sum():
      raise ValueError(
        f"{where}: {len(end)} {name} for the {num_edges.sum()} edges of n_edge"
      )
  first = np.repeat(np.cumsum(num_nodes) - num_nodes, num_edges)
  senders, receivers = (end - first for end in ends)
  return parts.Part(
    num_nodes,
    num_edges,
    senders,
    receivers,
    parts.by_kind(graphs.nodes, f"{where}: nodes"),
    parts.by_kind(graphs.edges, f"{where}: edges"),
  )


def _own_labels(tuples: Sequence[jraph.GraphsTuple], name: str | None) -> Any:
  """Returns [G, T] from the globals of the graphs."""
  found = []
  for i, graphs in enumerate(tuples):
    there = graphs.globals
    if name is not None:
      there = there.get(name) if isinstance(there, Mapping) else None
    if there is None or isinstance(there, Mapping):
      what = f"globals[{name!r}]" if name else "globals as one array"
      raise ValueError(f"GraphsTuple {i}: no {what} to take the labels from")
    there = np.asarray(there)
    count = len(graphs.n_node)
    if there.shape[:1] != (count,):
      raise ValueError(
        f"GraphsTuple {i}: labels of shape {there.shape} for"
        f" {counted(count, 'graph')}"
      )
    found.append(there.reshape(count, -1))
  widths = {x.shape[1] for x in found}
  if len(widths) > 1:
    raise ValueError(
      f"labels of {' and '.join(map(str, sorted(widths)))} tasks in one dataset"
    )
  return np.concatenate(found) if found else None
