"""From graphs of some library to the arguments of `from_arrays`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.errors import quoted_value


class Part(NamedTuple):
  """One graph or several.

  Attributes:
    num_nodes: [g] nodes of each.
    num_edges: [g] edges of each.
    senders: [e], counted within the graph.
    receivers: [e], likewise.
    nodes: Features [n, F] of the nodes by kind, `values` and `categories`.
    edges: Features [e, F] of the edges, in the same way.
  """

  num_nodes: np.ndarray
  num_edges: np.ndarray
  senders: np.ndarray
  receivers: np.ndarray
  nodes: dict[str, np.ndarray]
  edges: dict[str, np.ndarray]


def by_kind(features: Any, where: str) -> dict[str, np.ndarray]:
  """Returns features [M, F] by kind: floats are values, others categories.

  Args:
    features: An array [M, F] or [M], several of them by name, or None.
    where: Whose they are, for messages.

  Returns:
    `values` and `categories`, each if there are any.

  Raises:
    ValueError: One is no table of numbers.
  """
  if features is None:
    return {}
  if not isinstance(features, Mapping):
    features = {"": features}
  found: dict[str, list[np.ndarray]] = {}
  for key, value in features.items():
    array = np.asarray(value)
    if array.ndim == 1:
      array = array[:, None]
    of = f" {key!r}" if key else ""
    if array.ndim != 2 or array.dtype.kind not in "biuf":
      raise ValueError(
        f"{where}: features{of} of type {array.dtype} and shape {array.shape},"
        " expected a table of numbers with one row for each"
      )
    kind = "values" if array.dtype.kind == "f" else "categories"
    found.setdefault(kind, []).append(array)
  lengths = {len(a) for arrays in found.values() for a in arrays}
  if len(lengths) > 1:
    raise ValueError(
      f"{where}: features of {' and '.join(map(str, sorted(lengths)))} rows"
    )
  return {
    kind: np.concatenate(arrays, axis=1) for kind, arrays in found.items()
  }


def joined(parts: Iterable[Part]) -> dict[str, Any]:
  """Returns the arguments of `from_arrays` that describe the graphs.

  Raises:
    ValueError: Two graphs have other features, or a table of features has
      another number of rows than the graph has nodes or edges.
  """
  parts = list(parts)
  graph, names = 0, []
  for part in parts:
    names.append(f"graph {graph}")
    graph += len(part.num_nodes)
  arguments: dict[str, Any] = {
    field: _concatenated([getattr(part, field) for part in parts])
    for field in ("num_nodes", "num_edges", "senders", "receivers")
  }
  for kind in ("node", "edge"):
    tables = [getattr(part, f"{kind}s") for part in parts]
    counts = [int(np.sum(getattr(part, f"num_{kind}s"))) for part in parts]
    for what, column in _tables(kind, names, counts, tables).items():
      arguments[f"{kind}_{what}"] = column
  return arguments


def _tables(
  kind: str,
  names: list[str],
  counts: list[int],
  tables: list[dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """Returns the features of all graphs by their kind."""
  like: tuple[str, dict[str, int]] | None = None
  kept: dict[str, list[np.ndarray]] = {}
  for name, count, table in zip(names, counts, tables, strict=True):
    for array in table.values():
      if len(array) != count:
        raise ValueError(
          f"{name} has {len(array)} rows of {kind} features for {count} {kind}s"
        )
    if not count:  # What has no edges may have no table of their features.
      continue
    widths = {what: array.shape[1] for what, array in table.items()}
    like = like or (name, widths)
    if widths != like[1]:
      raise ValueError(
        f"{name} has different {kind} features than {like[0]}: {_said(widths)}"
        f" against {_said(like[1])}"
      )
    for what, array in table.items():
      kept.setdefault(what, []).append(array)
  return {what: np.concatenate(arrays) for what, arrays in kept.items()}


def _said(widths: Mapping[str, int]) -> str:
  words = [f"{count} {what}" for what, count in sorted(widths.items())]
  return " and ".join(words) or "none"


def _concatenated(arrays: list[np.ndarray]) -> np.ndarray:
  if not arrays:
    return np.zeros(0, np.int64)
  return np.concatenate(arrays)


def stacked_labels(rows: list[Any], what: str) -> Any:
  """Returns the labels [G, T] or [G] of graphs that carry their own.

  Args:
    rows: [G], each a number, a word or a vector.
    what: Where each comes from, for messages.

  Raises:
    ValueError: One is of another length than the first.
  """
  arrays = [np.asarray(row).reshape(-1) for row in rows]
  for graph, array in enumerate(arrays):
    if array.shape != arrays[0].shape:
      raise ValueError(
        f"graph {graph}: {what} is {quoted_value(rows[graph])}, of"
        f" {len(array)} numbers, and that of graph 0 of {len(arrays[0])}"
      )
  return np.stack(arrays) if arrays else None
