"""Predictions for graphs, and the files they are written to.

Whatever is written names a graph as its source does: by the row of the file
that it stands in, by its id and its SMILES where there are any. Letters: G
graphs, T tasks, C classes, K models of an ensemble.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from gnn_readout import metrics
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.training import sheets
from gnn_readout.training.sheets import Sheet


class Predictions(NamedTuple):
  """What a model says about every graph of a split, in the store's order.

  Attributes:
    index: [G] int32, the graph's number in the store, ascending.
    logits: [G, T] float32, or [G, C] for C classes; of a regression the
      predicted values, in the units of the labels.
    labels: [G, T] float32, NaN = missing.
    rows: [G] int32, the row of the input file that each graph stands in,
      counted from 1; None where the dataset has no rows.
    texts: What the file says of each graph, [G] by name: `'smiles'`, `'id'`.
  """

  index: np.ndarray
  logits: np.ndarray
  labels: np.ndarray
  rows: np.ndarray | None = None
  texts: Mapping[str, np.ndarray] = {}

  @classmethod
  def of(
    cls, store: GraphStore, index: np.ndarray, logits: np.ndarray
  ) -> Predictions:
    """Returns the predictions for some graphs with what the store knows.

    Args:
      store: The dataset.
      index: [G] the graphs' numbers in it, each once.
      logits: [G, T] or [G, C], in the same order.
    """
    order = np.argsort(index)
    index = index[order]
    return cls(
      index,
      logits[order],
      np.asarray(store.labels[index]),
      None if store.rows is None else np.asarray(store.rows[index]),
      texts_of(store, index),
    )

  @property
  def places(self) -> np.ndarray:
    """[G] the graphs' numbers in their source, counted from 0.

    With rows that were skipped these are not their numbers in the store.
    """
    return self.index if self.rows is None else self.rows - 1

  def write(self, path: str | os.PathLike[str], schema: Schema) -> None:
    """Writes a file, whole or not at all; its ending says of which kind.

    `.npz` holds `graph_index` (see `places`), `logits` and `labels`, and `row`,
    `smiles` and `id` where they are known. `.csv` and `.parquet` have the same
    columns but for the logits: for each task a probability or a value and,
    beside it, the label; for classes their names and probabilities.

    Args:
      path: The file.
      schema: Schema of the dataset.

    Raises:
      ValueError: If the ending is of no such kind.
      OSError: If the file cannot be written.
    """
    results = results_of(schema, values_of(schema, self.logits), self.labels)
    arrays = {"logits": self.logits, "labels": self.labels}
    sheets.write(path, Sheet(self.columns(), dict(results), arrays))

  def columns(self) -> dict[str, np.ndarray]:
    """Returns what tells the graphs apart, [G] each, by name."""
    rows = {} if self.rows is None else {"row": self.rows}
    return {"graph_index": self.places, **rows, **self.texts}


def texts_of(store: GraphStore, index: np.ndarray) -> dict[str, np.ndarray]:
  """Returns what a store's source says of some graphs, [G] each, by name."""
  return {
    name: np.asarray([column[i] for i in index], object)
    for name, column in store.texts.items()
  }


def values_of(schema: Schema, logits: np.ndarray) -> np.ndarray:
  """Returns probabilities of tasks or classes, or the values of a regression.

  Args:
    schema: Schema of the dataset.
    logits: [..., T] or [..., C].

  Returns:
    As many, float64.
  """
  with np.errstate(invalid="ignore"):  # NaN stays what it is.
    return _VALUES[schema.task_type](np.asarray(logits, np.float64))


def output_names(schema: Schema) -> list[str]:
  """Returns what `values_of` has along its last axis: tasks, or classes."""
  if schema.task_type == "multiclass":
    known = schema.class_names or map(str, range(schema.num_classes))
    return list(known)
  return list(schema.task_names)


def results_of(
  schema: Schema,
  values: np.ndarray,
  labels: np.ndarray | None = None,
  std: np.ndarray | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
  """Yields the columns of a table that say what is predicted.

  Args:
    schema: Schema of the dataset.
    values: [G, T] or [G, C], as `values_of` returns them; NaN where nothing is
      predicted.
    labels: [G, T], NaN = missing; None: they have no column.
    std: The standard deviation of `values` in an ensemble, of the same shape.

  Yields:
    Names and columns: numbers, NaN = missing, or texts, '' = missing.
  """
  names = output_names(schema)
  if schema.task_type == "multiclass":
    (task,) = schema.task_names
    yield f"predicted {task}", _named(names, _chosen(values))
    if labels is not None:
      yield task, _named(names, labels[:, 0])
  for i, name in enumerate(names):
    title = f"predicted {name}"
    if schema.task_type == "multiclass":
      title = f"probability of {name}"
    yield title, values[:, i]
    if std is not None:
      yield f"std of {title}", std[:, i]
    if labels is not None and schema.task_type != "multiclass":
      yield name, labels[:, i]


def _chosen(values: np.ndarray) -> np.ndarray:
  """Returns the likeliest class, [G]; NaN where nothing is predicted."""
  best = np.nan_to_num(values, nan=-1).argmax(axis=1).astype(np.float64)
  return np.where(np.isnan(values).any(axis=1), np.nan, best)


def _named(names: list[str], classes: np.ndarray) -> np.ndarray:
  texts = ["" if np.isnan(c) else names[int(c)] for c in classes.tolist()]
  return np.asarray(texts, object)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
  return np.exp(-np.logaddexp(0, -logits))


_VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "binary": _sigmoid,
  "multiclass": metrics.class_probabilities,
  "regression": lambda values: values,
}
