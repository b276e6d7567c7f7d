"""Scores of the predictions of a whole split.

Labels are [G, T] with NaN where nothing was measured. Scores are numpy in
float64, agree with OGB's Evaluator and scikit-learn, and are computed once over
a split: a mean over batches differs. Logits of classes are [G, C] with C of at
least 2 and labels [G, 1]; a binary task has one logit, and its label is
predicted to be 1 where that is positive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gnn_readout import confusion
from gnn_readout.errors import suggest
from gnn_readout.wording import counted


class Score(NamedTuple):
  """A metric over one split.

  Attributes:
    value: Plain mean of `per_task` over the tasks that qualify.
    num_tasks_scored: How many tasks qualify.
    per_task: [T] float64, NaN where a task does not qualify.
  """

  value: float
  num_tasks_scored: int
  per_task: np.ndarray


def evaluate(metric: str, labels: np.ndarray, logits: np.ndarray) -> Score:
  """Scores the predictions of a whole split.

  Args:
    metric: 'ap', 'rocauc', 'accuracy', 'f1', 'mcc', 'rmse', 'mae' or 'r2'.
    labels: [G, T], NaN = not measured; of classes [G, 1], their numbers.
    logits: [G, T] raw outputs of the model; of classes [G, C].

  Returns:
    The Score: the plain mean over the tasks that qualify, and their count.

  Raises:
    ValueError: If the metric is unknown, shapes disagree, a logit is NaN, a
      label is impossible or no task qualifies.
  """
  function = _metric(metric).function
  labels, logits = np.asarray(labels), np.asarray(logits)
  _check_shapes(metric, labels, logits)
  bad = int(np.isnan(logits).sum())
  if bad:
    raise ValueError(f"{bad} of {logits.size} logits are NaN")
  if not labels.size:
    raise ValueError(f"nothing to score: labels have shape {labels.shape}")
  per_task = function(labels, logits)
  scored = ~np.isnan(per_task)
  if not scored.any():
    raise ValueError(
      f"no task qualifies for {metric!r}: of"
      f" {counted(len(per_task), 'task')} none has {_metric(metric).needs}"
      f" among {counted(len(labels), 'graph')}"
    )
  return Score(float(per_task[scored].mean()), int(scored.sum()), per_task)


def evaluate_constant(
  metric: str, train_labels: np.ndarray, labels: np.ndarray, num_outputs: int
) -> Score:
  """Scores a constant prediction on a split: what every model has to beat.

  It is the training mean of each task for 'rmse', 'mae' and 'r2', and the most
  frequent class of the training set for 'accuracy', 'f1' and 'mcc'. By 'ap' any
  constant scores the share of positives, and by 'rocauc' one half.

  Args:
    metric: As `evaluate` takes it.
    train_labels: [G', T] of the training set, NaN = not measured.
    labels: [G, T] of the split.
    num_outputs: T, or the number of classes C.

  Raises:
    ValueError: As `evaluate`.
  """
  logits = _metric(metric).constant(np.asarray(train_labels), num_outputs)
  shape = len(labels), num_outputs
  return evaluate(metric, labels, np.broadcast_to(logits, shape))


def higher_is_better(metric: str) -> bool:
  """Returns whether the larger of two values of the metric is the better."""
  return _metric(metric).higher_is_better


def average_precision(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
  """Average precision of each task.

  AP = sum_k (R_k - R_{k-1}) P_k over the distinct thresholds from the highest
  down, with recall R and precision P: tied logits are one threshold.

  Args:
    labels: [G, T] of 0, 1 and NaN.
    logits: [G, T].

  Returns:
    [T] float64; NaN for a task without a positive or a negative label.
  """
  true, false, starts = _threshold_counts(labels, logits)
  precision = true / np.maximum(true + false, 1)  # [K]
  area = np.add.reduceat(_steps(true, starts) * precision, starts)  # [T]
  positives, negatives = _class_counts(labels)
  qualifies = (positives > 0) & (negatives > 0)
  return np.where(qualifies, area / np.maximum(positives, 1), np.nan)


def roc_auc(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
  """Area under the ROC curve of each task: a tied pair counts one half.

  That of classes is the mean over the classes, each against all others and
  ranked by its probability.

  Differs from scikit-learn: a class that all graphs are of, or none, does not
  count, where it has no result.

  Args:
    labels: [G, T] of 0, 1 and NaN, or [G, 1] class numbers.
    logits: [G, T], or [G, C].

  Returns:
    [T] float64; NaN for a task without a positive or a negative label.
  """
  if confusion.is_of_classes(labels, logits):
    areas = roc_auc(*one_against_all(labels, logits))  # [C]
    return _mean_labelled(areas[:, None])
  true, false, starts = _threshold_counts(labels, logits)
  height = true - _steps(true, starts) / 2  # [K] of each trapezoid.
  area = np.add.reduceat(_steps(false, starts) * height, starts)  # [T]
  positives, negatives = _class_counts(labels)
  pairs = positives * negatives
  return np.where(pairs > 0, area / np.maximum(pairs, 1), np.nan)


def one_against_all(
  labels: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns a binary task for each class.

  Args:
    labels: [G, 1] class numbers, NaN = not known.
    logits: [G, C].

  Returns:
    labels [G, C] of 0, 1 and NaN; the probabilities [G, C] of the classes.
  """
  confusion.check_classes(labels, logits.shape[1])
  is_one = labels == np.arange(logits.shape[1])  # [G, C]
  chances = class_probabilities(logits)
  return np.where(np.isnan(labels), np.nan, is_one), chances


def class_probabilities(logits: np.ndarray) -> np.ndarray:
  """Returns the softmax [..., C] of logits [..., C], in float64."""
  logits = logits.astype(np.float64)
  shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return shares / shares.sum(axis=-1, keepdims=True)


def rmse(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Root mean squared error of each task, [T]; NaN without a label."""
  return np.sqrt(_mean_labelled(_errors(labels, predictions) ** 2))


def mae(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Mean absolute error of each task, [T]; NaN without a label."""
  return _mean_labelled(np.abs(_errors(labels, predictions)))


def r2(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Coefficient of determination, 1 - sum (y - f)^2 / sum (y - mean y)^2, [T].

  Of labels that are all the same it is 1 if they are predicted exactly, else 0;
  NaN for a task with fewer than two labels.
  """
  known = ~np.isnan(labels)
  residual = np.nansum(_errors(labels, predictions) ** 2, axis=0)
  spread = labels - _mean_labelled(labels.astype(np.float64))
  total = np.nansum(spread**2, axis=0)
  lowest = np.where(known, labels, np.inf).min(axis=0)
  highest = np.where(known, labels, -np.inf).max(axis=0)
  result = r2_of(residual, np.where(highest > lowest, total, 0))
  return np.where(known.sum(axis=0) > 1, result, np.nan)


def r2_of(residual: np.ndarray, total: np.ndarray) -> np.ndarray:
  """Returns 1 - residual / total; of a total of 0, 1 or 0, as `r2` has it."""
  perfect = np.where(residual == 0, 1.0, 0.0)
  ratio = residual / np.where(total > 0, total, 1)
  return np.where(total > 0, 1 - ratio, perfect)


def _of_confusion(
  score: Callable[[np.ndarray, bool], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
  def function(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    cells, size = confusion.cells(labels, logits)
    known, num_tasks = ~np.isnan(labels), labels.shape[1]
    cells = (cells + size**2 * np.arange(num_tasks))[known]
    counts = np.bincount(cells, minlength=num_tasks * size**2)
    is_binary = not confusion.is_of_classes(labels, logits)
    return score(counts.reshape(num_tasks, size, size), is_binary)

  return function


def _any_constant(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  return np.zeros(num_outputs)


def _training_mean(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  """The mean label of each task, [T]; 0 where there is none."""
  return np.nan_to_num(_mean_labelled(labels.astype(np.float64)))


def _frequent_class(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  """Logits [C] that are largest for the most frequent class.

  Or [T], positive for the tasks with more positive than negative labels.
  """
  if labels.shape[1] == num_outputs:
    positives, negatives = _class_counts(labels)
    return np.where(positives > negatives, 1.0, -1.0)
  classes = labels[~np.isnan(labels)].astype(np.int64)
  return np.bincount(classes, minlength=num_outputs).astype(np.float64)


class _Metric(NamedTuple):
  function: Callable[[np.ndarray, np.ndarray], np.ndarray]
  higher_is_better: bool
  needs: str  # What a task must have to qualify.
  # Training labels and the number of outputs -> logits of a constant.
  constant: Callable[[np.ndarray, int], np.ndarray]
  of_classes: bool = False  # Whether it takes them, too.


_BOTH = "a positive and a negative label"
_METRICS = {
  "ap": _Metric(average_precision, True, _BOTH, _any_constant),
  "rocauc": _Metric(roc_auc, True, _BOTH, _any_constant, True),
  "rmse": _Metric(rmse, False, "a label", _training_mean),
  "mae": _Metric(mae, False, "a label", _training_mean),
  "r2": _Metric(r2, True, "two labels", _training_mean),
  **{
    name: _Metric(_of_confusion(f), True, "a label", _frequent_class, True)
    for name, f in confusion.SCORES.items()
  },
}


def _metric(name: str) -> _Metric:
  if name not in _METRICS:
    raise ValueError(f"unknown metric {name!r}.{suggest(name, _METRICS)}")
  return _METRICS[name]


def _check_shapes(metric: str, labels: np.ndarray, logits: np.ndarray) -> None:
  shapes = [logits.shape]
  if _metric(metric).of_classes:
    shapes.append((*logits.shape[:1], 1))
  if logits.ndim != 2 or labels.shape not in shapes:
    raise ValueError(
      f"labels of shape {labels.shape} do not fit logits of shape"
      f" {logits.shape}"
    )


def _threshold_counts(
  labels: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Counts the labels at or above every distinct logit of every task.

  An entry without a label adds to neither count, wherever it sorts.

  Args:
    labels: [G, T].
    logits: [G, T].

  Returns:
    true [K] and false [K]: how many positives and negatives lie at or above
    each threshold, from the highest down, one task after the other;
    starts [T]: where each task begins in them.
  """
  confusion.check_binary(labels)
  # float32 stays float32: it sorts faster and has the same ties.
  dtype = np.result_type(logits.dtype, np.float32)
  keys = -np.ascontiguousarray(logits.T, dtype)  # [T, G]
  order = np.argsort(keys, axis=1)
  keys = np.take_along_axis(keys, order, axis=1)
  labels = np.take_along_axis(labels.T, order, axis=1)  # [T, G]
  last = np.ones(keys.shape, bool)  # [T, G] The last of each run of ties.
  np.not_equal(keys[:, 1:], keys[:, :-1], out=last[:, :-1])
  true = np.cumsum(labels == 1, axis=1)[last]  # [K]
  false = np.cumsum(labels == 0, axis=1)[last]  # [K]
  ends = np.cumsum(last.sum(axis=1))  # [T]
  return true, false, np.append(0, ends[:-1])


def _steps(counts: np.ndarray, starts: np.ndarray) -> np.ndarray:
  """What each threshold adds to the running count of its task, [K]."""
  steps = np.diff(counts, prepend=0)
  steps[starts] = counts[starts]
  return steps


def _class_counts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """How many positives and how many negatives each task has, [T] and [T]."""
  return (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)


def _errors(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  return np.asarray(predictions, np.float64) - labels


def _mean_labelled(values: np.ndarray) -> np.ndarray:
  """The mean of each column over its numbers, [T]; NaN where it has none."""
  known = ~np.isnan(values)
  total = np.where(known, values, 0).sum(axis=0)
  return np.where(
    known.any(axis=0), total / np.maximum(known.sum(0), 1), np.nan
  )
