"""What the labels of one's own graphs are: numbers, classes, yes or no.

Letters: G graphs, T tasks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.store import METRICS
from gnn_readout.errors import suggest
from gnn_readout.wording import counted

# Of more distinct whole numbers, or of fewer graphs of each, nobody but the
# owner knows whether they are classes or count something.
_MOST_CLASSES, _GRAPHS_PER_CLASS = 20, 3


class Labels(NamedTuple):
  """Labels as a store has them.

  Attributes:
    values: [G, T] float32, NaN = missing; a class is its place in
      `class_names`.
    task_type: Task type as in `Schema`.
    class_names: Names of the classes of a multiclass task, in ascending order;
      else empty.
  """

  values: np.ndarray
  task_type: str
  class_names: tuple[str, ...] = ()

  @property
  def classes(self) -> np.ndarray | None:
    """[G] the only class of each graph; None where there is no such thing."""
    if self.task_type == "regression" or self.values.shape[1] > 1:
      return None
    return self.values[:, 0]


def read_labels(
  name: str, labels: Any, num_graphs: int, task_type: str | None
) -> Labels:
  """Understands the labels of some graphs.

  Without a `task_type`, labels that are 0 and 1, or True and False, are
  binary; words are classes, and so are a few whole numbers of an integer type;
  numbers of a real type are a regression.

  Args:
    name: What a message begins with.
    labels: [G] or [G, T]; None or NaN is a missing label. None: there are none.
    num_graphs: G.
    task_type: Task type as in `Schema`; None derives it from the labels.

  Raises:
    ValueError: Their shape is wrong, their kind is not clear, or they are no
      labels of the given kind.
  """
  if task_type is not None and task_type not in METRICS:
    known = suggest(task_type, METRICS)
    raise ValueError(f"{name}: unknown task_type {task_type!r}.{known}")
  if labels is None:
    missing = np.full((num_graphs, 1), np.nan, np.float32)
    return Labels(missing, task_type or "regression")
  array = _as_array(name, labels)
  is_table = array.ndim in (1, 2) and len(array) == num_graphs
  if not is_table or not array.size:
    raise ValueError(
      f"{name}: labels of shape {array.shape}, expected a row for each of"
      f" {counted(num_graphs, 'graph')}: ({num_graphs},) or ({num_graphs}, T)"
    )
  array = array.reshape(num_graphs, -1)
  if array.dtype.kind != "O":
    large = np.abs(array) > np.finfo(np.float32).max
    if large.any():
      raise ValueError(
        f"{name}: the label of graph {np.argmax(large.any(axis=1))} is"
        f" {array[large][0]:g}, beyond float32"
      )
  task_type = task_type or _task_type(name, array)
  if task_type == "multiclass":
    return _classes(name, array)
  if array.dtype.kind == "O":
    word = next(x for x in array.flat if isinstance(x, str))
    raise ValueError(
      f"{name}: labels such as {word!r} are words, but task_type {task_type!r}"
      " takes numbers"
    )
  return Labels(array.astype(np.float32), task_type)


def _as_array(name: str, labels: Any) -> np.ndarray:
  """Returns an array of numbers, in which None has become NaN, or of words.

  Words are an array of objects, those that are missing among them.
  """
  array = np.asarray(labels)
  if array.dtype.kind == "U":  # A list may have held NaN, now a word.
    given = labels if isinstance(labels, np.ndarray) else [*labels]
    array = np.asarray(given, object)
  if array.dtype.kind == "O":
    are_words = [isinstance(label, str) for label in array.flat]
    missing = [_is_missing(label) for label in array.flat]
    pairs = zip(are_words, missing, strict=True)
    if any(are_words) and all(word or gap for word, gap in pairs):
      return array
    try:
      array = array.astype(object if any(are_words) else np.float64)
    except (TypeError, ValueError):
      raise ValueError(
        f"{name}: the labels are not numbers, or their rows differ in length"
      ) from None
  if array.dtype.kind not in "biuf":
    raise ValueError(
      f"{name}: labels of type {array.dtype} are neither all numbers nor all"
      " words"
    )
  return array


def _is_missing(label: Any) -> bool:
  return label is None or (isinstance(label, float) and np.isnan(label))


def _task_type(name: str, array: np.ndarray) -> str:
  kind = array.dtype.kind
  if kind == "O":
    return "multiclass"
  if kind == "b" or ((array == 0) | (array == 1) | np.isnan(array)).all():
    return "binary"
  if kind == "f":
    return "regression"
  distinct = np.unique(array)
  few = min(_MOST_CLASSES, len(array) // _GRAPHS_PER_CLASS)
  if array.shape[1] == 1 and len(distinct) <= few:
    return "multiclass"
  raise ValueError(
    f"{name}: {counted(len(distinct), 'distinct whole number')} in"
    f" {counted(array.shape[1], 'column')} of labels may be classes or"
    " quantities: set task_type='multiclass' or task_type='regression'"
  )


def _classes(name: str, array: np.ndarray) -> Labels:
  if array.shape[1] > 1:
    raise ValueError(
      f"{name}: a multiclass task is one column of labels, not {array.shape[1]}"
    )
  column = array[:, 0]
  known = np.array([not _is_missing(label) for label in column.tolist()], bool)
  there = column[known]
  if column.dtype.kind == "O":
    there = there.astype(str)
  elif column.dtype.kind == "f" and (there == np.floor(there)).all():
    there = there.astype(np.int64)  # `2`, not `2.0`.
  names, codes = np.unique(there, return_inverse=True)
  values = np.full((len(column), 1), np.nan, np.float32)
  values[known, 0] = codes
  return Labels(values, "multiclass", tuple(str(x) for x in names.tolist()))
