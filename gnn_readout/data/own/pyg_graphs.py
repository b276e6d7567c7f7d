"""A store from the graphs of PyTorch Geometric, which is not imported."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from gnn_readout.data.own import parts
from gnn_readout.data.own.arrays import from_arrays
from gnn_readout.data.store import GraphStore


def from_pyg(
  path: str | os.PathLike[str] | None,
  graphs: Iterable[Any],
  labels: Any = "y",
  **options: Any,
) -> GraphStore:
  """Makes a dataset from `torch_geometric.data.Data`, see `from_arrays`.

  Features `x` and `edge_attr` of a real type are numbers, those of an integer
  type categories. Data that are not of a graph's structure, such as `pos`, are
  left out; join them to `x` first.

  Args:
    path: As `from_arrays` takes it.
    graphs: A dataset or a list. `edge_index` is used as it is, directed.
    labels: Which attribute of the graphs holds them, a number or a row of them;
      or as `from_arrays` takes them.
    **options: Others of `from_arrays`.

  Raises:
    ValueError: As `from_arrays`, or a graph lacks an attribute.
    OSError: As `from_arrays`.
  """
  graphs = list(graphs)
  if isinstance(labels, str):
    rows = [_array(getattr(graph, labels, None)) for graph in graphs]
    for i, row in enumerate(rows):
      if row is None:
        raise ValueError(f"graph {i} has no {labels!r} to take the label from")
    labels = parts.stacked_labels(rows, labels)
  found = parts.joined(_part(i, graph) for i, graph in enumerate(graphs))
  return from_arrays(path, **found, labels=labels, **options)


def _part(i: int, graph: Any) -> parts.Part:
  edge_index = _array(graph.edge_index)
  if edge_index is None:
    edge_index = np.zeros((2, 0), np.int64)
  if edge_index.ndim != 2 or len(edge_index) != 2:
    raise ValueError(
      f"graph {i}: edge_index is of shape {edge_index.shape}, expected (2, E)"
    )
  senders, receivers = edge_index
  return parts.Part(
    np.array([graph.num_nodes]),
    np.array([len(senders)]),
    senders,
    receivers,
    parts.by_kind(_array(graph.x), f"graph {i}: x"),
    parts.by_kind(_array(graph.edge_attr), f"graph {i}: edge_attr"),
  )


def _array(value: Any) -> np.ndarray | None:
  """Returns what a tensor on any device holds, or any other value does."""
  if value is None:
    return None
  if hasattr(value, "detach"):
    value = value.detach().cpu().numpy()
  return np.asarray(value)
