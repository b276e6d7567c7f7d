"""Scores of decisions, from how many graphs of which class are called what.

Labels are [G, T] of 0, 1 and NaN, or [G, 1] class numbers, with NaN where
nothing was measured. A binary task has one logit, and its label is predicted
to be 1 where that is positive; of the C logits of classes the largest counts.
"""

from __future__ import annotations

import numpy as np


def accuracy(counts: np.ndarray, is_binary: bool) -> np.ndarray:
  """Share of graphs whose class is the predicted one; NaN if there are none.

  Args:
    counts: [..., C, C], graphs by class and predicted class.
    is_binary: Whether the classes are the labels 0 and 1 of a task.

  Returns:
    [...] float64.
  """
  del is_binary
  total = counts.sum(axis=(-2, -1))
  correct = np.trace(counts, axis1=-2, axis2=-1)
  return np.where(total > 0, correct / np.maximum(total, 1), np.nan)


def f1(counts: np.ndarray, is_binary: bool) -> np.ndarray:
  """F1 = 2 TP / (2 TP + FP + FN), of label 1 or the mean over the classes.

  It is 0 if no graph has label 1, nor is predicted to. Classes that no graph
  is of, nor is predicted to be, do not count in the mean. NaN without graphs.

  Args:
    counts: As `accuracy` takes it.
    is_binary: As `accuracy` takes it.
  """
  is_any = counts.sum(axis=(-2, -1)) > 0
  hits = np.diagonal(counts, axis1=-2, axis2=-1)  # [..., C]
  both = counts.sum(axis=-1) + counts.sum(axis=-2)  # [..., C]
  scores = 2 * hits / np.maximum(both, 1)
  if is_binary:
    return np.where(is_any, scores[..., 1], np.nan)
  number = np.maximum((both > 0).sum(axis=-1), 1)
  return np.where(is_any, scores.sum(axis=-1) / number, np.nan)


def mcc(counts: np.ndarray, is_binary: bool) -> np.ndarray:
  """Matthews' correlation coefficient, of classes Gorodkin's R_K.

  It is 0 if all graphs are of one class, or predicted to be; NaN without any.

  Args:
    counts: As `accuracy` takes it.
    is_binary: As `accuracy` takes it.

  Reference: Gorodkin 2004, "Comparing two K-category assignments by a
  K-category correlation coefficient", eq. 8.
  """
  del is_binary
  counts = counts.astype(np.float64)
  total = counts.sum(axis=(-2, -1))
  correct = np.trace(counts, axis1=-2, axis2=-1)
  true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)  # [..., C]

  def covariance(x: np.ndarray, y: np.ndarray, both: np.ndarray) -> np.ndarray:
    return both * total - (x * y).sum(axis=-1)

  size = np.sqrt(
    covariance(true, true, total) * covariance(predicted, predicted, total)
  )
  ratio = covariance(true, predicted, correct) / np.where(size > 0, size, 1)
  return np.where(total > 0, np.where(size > 0, ratio, 0.0), np.nan)


def cells(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, int]:
  """Returns where in C x C each graph counts, and C.

  Args:
    labels: [G, T] of 0, 1 and NaN, for which C is 2, or [G, 1] class numbers.
    logits: [G, T], or [G, C].

  Returns:
    [G, T] the number of the cell, C class + predicted class, whatever where
    there is no label; C.
  """
  size = logits.shape[1]
  if is_of_classes(labels, logits):
    check_classes(labels, size)
    predicted = logits.argmax(axis=1)[:, None]  # [G, 1]
  else:
    check_binary(labels)
    size, predicted = 2, logits > 0  # [G, T]
  return size * np.nan_to_num(labels).astype(np.int64) + predicted, size


def is_of_classes(labels: np.ndarray, logits: np.ndarray) -> bool:
  """Returns whether labels are class numbers, and logits theirs."""
  return labels.shape[1] == 1 and logits.shape[1] > 1


def check_classes(labels: np.ndarray, num_classes: int) -> None:
  """Raises ValueError for a label that is none of so many class numbers."""
  known = labels[~np.isnan(labels)]
  possible = np.isin(known, np.arange(num_classes))
  if not possible.all():
    raise ValueError(
      f"label {known[~possible][0]:g} is not a class number from 0 to"
      f" {num_classes - 1}"
    )


def check_binary(labels: np.ndarray) -> None:
  """Raises ValueError for a label that is not 0, 1 or NaN."""
  impossible = ~((labels == 0) | (labels == 1) | np.isnan(labels))
  if impossible.any():
    raise ValueError(f"label {labels[impossible][0]:g} is not 0, 1 or NaN")


# Each takes a confusion matrix, and whether it is that of a binary task.
SCORES = {"accuracy": accuracy, "f1": f1, "mcc": mcc}
