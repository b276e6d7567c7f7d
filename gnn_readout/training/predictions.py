"""Predictions for the graphs of a split, and the files they are written to.

Whatever is written names a graph as its source does: by the row of the file
that it stands in, by its id and its SMILES where there are any.
"""

from __future__ import annotations

import csv
import io
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_write_bytes
from gnn_readout.wording import no_formula


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
      {
        name: np.asarray([column[i] for i in index], str)
        for name, column in store.texts.items()
      },
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
    `smiles` and `id` where they are known. `.csv` has the same columns but for
    the logits: for each task a probability or a value and, beside it, the
    label; for classes their names and probabilities.

    Args:
      path: The file.
      schema: Of the dataset.

    Raises:
      ValueError: If the ending is of no such kind.
      OSError: If the file cannot be written.
    """
    atomic_write_bytes(path, _WRITERS[check_path(path)](self, schema))

  def columns(self) -> dict[str, np.ndarray]:
    """Returns what tells the graphs apart, [G] each, by name."""
    rows = {} if self.rows is None else {"row": self.rows}
    return {"graph_index": self.places, **rows, **self.texts}


def check_path(path: str | os.PathLike[str]) -> str:
  """Returns the ending of a file that predictions can be written to.

  Raises:
    ValueError: If there is no such kind.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in _WRITERS:
    raise ValueError(
      f"predictions cannot be written to {os.fspath(path)!r}: its name has to"
      f" end in one of these.{suggest(suffix, _WRITERS)}"
    )
  return suffix


def _as_npz(predictions: Predictions, schema: Schema) -> bytes:
  del schema
  file = io.BytesIO()
  np.savez(
    file,
    **predictions.columns(),
    logits=predictions.logits,
    labels=predictions.labels,
  )
  return file.getvalue()


def _as_csv(predictions: Predictions, schema: Schema) -> bytes:
  columns = {
    name: [no_formula(x) if isinstance(x, str) else x for x in column.tolist()]
    for name, column in predictions.columns().items()
  }
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  results = [*_COLUMNS[schema.task_type](predictions, schema)]
  names = [*columns, *(no_formula(name) for name, _ in results)]
  writer.writerow(names)
  writer.writerows(
    zip(*columns.values(), *(column for _, column in results), strict=True)
  )
  return text.getvalue().encode()


Columns = Iterable[tuple[str, list[str]]]


def _tasks(predictions: Predictions, schema: Schema, values) -> Columns:
  """Yields of each task what is predicted and what is known."""
  for t, name in enumerate(schema.task_names):
    yield f"predicted {name}", _numbers(values[:, t])
    yield name, _numbers(predictions.labels[:, t])


def _probabilities(predictions: Predictions, schema: Schema) -> Columns:
  logits = predictions.logits.astype(np.float64)
  yield from _tasks(predictions, schema, np.exp(-np.logaddexp(0, -logits)))


def _values(predictions: Predictions, schema: Schema) -> Columns:
  yield from _tasks(predictions, schema, predictions.logits)


def _classes(predictions: Predictions, schema: Schema) -> Columns:
  names = schema.class_names or [str(c) for c in range(schema.num_classes)]
  logits = predictions.logits.astype(np.float64)
  chosen = logits.argmax(axis=1)
  (task,), labels = schema.task_names, predictions.labels[:, 0]
  yield f"predicted {task}", [no_formula(names[c]) for c in chosen]
  yield (
    task,
    ["" if np.isnan(y) else no_formula(names[int(y)]) for y in labels.tolist()],
  )
  shares = np.exp(logits - logits.max(axis=1, keepdims=True))
  shares /= shares.sum(axis=1, keepdims=True)
  for c, name in enumerate(names):
    yield f"probability of {name}", _numbers(shares[:, c])


def _numbers(column: np.ndarray) -> list[str]:
  """Returns the shortest texts that are these numbers in single precision."""
  return ["" if np.isnan(x) else str(x) for x in column.astype(np.float32)]


_COLUMNS: dict[str, Callable[[Predictions, Schema], Columns]] = {
  "binary": _probabilities,
  "multiclass": _classes,
  "regression": _values,
}
_WRITERS: dict[str, Callable[[Predictions, Schema], bytes]] = {
  ".csv": _as_csv,
  ".npz": _as_npz,
}
