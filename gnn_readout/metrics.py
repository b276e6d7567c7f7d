"""Losses on one batch, and scores on the predictions of a whole split.

Labels are [G, T] with NaN where nothing was measured. Losses are jax.numpy and
run inside the training step. Scores are numpy in float64, agree with OGB's
Evaluator, and are computed once over a split: a mean over batches differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gnn_readout import shares
from gnn_readout.errors import suggest
from gnn_readout.wording import counted

Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


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


def masked_loss(task_type: str) -> Loss:
  """Returns the training loss of a task type.

  'binary': cross-entropy with logits; 'multiclass': softmax cross-entropy of
  the class number in labels[:, 0]; 'regression': squared error. Each is the
  mean over the labelled entries of real graphs, and 0 where there are none.
  The gradient is finite, and 0 where there is no label. The loss of a share is
  its part of that of the whole batch, see `shares`.

  Args:
    task_type: 'binary', 'multiclass' or 'regression'.

  Returns:
    A function of logits [G, T] (multiclass: [G, C]), labels [G, T]
    (multiclass: [G, 1]) and mask [G], to a scalar of the logits' dtype.

  Raises:
    ValueError: If the task type is unknown or, when called, shapes disagree.
  """
  if task_type not in _ENTRY_LOSSES:
    known = suggest(task_type, _ENTRY_LOSSES)
    raise ValueError(f"unknown task_type {task_type!r}.{known}")
  entry_loss = _ENTRY_LOSSES[task_type]

  def loss(logits: jax.Array, labels: jax.Array, mask: jax.Array) -> jax.Array:
    _check_shapes(task_type, labels, logits)
    labelled = mask[:, None] & ~jnp.isnan(labels)
    # where on the inputs as well: on the result alone, 0 * NaN would remain
    # in the gradient.
    labels = jnp.where(labelled, labels, 0).astype(logits.dtype)
    logits = jnp.where(labelled, logits, 0)  # [G, 1] spreads over classes.
    losses = jnp.where(labelled, entry_loss(logits, labels), 0)
    count = jnp.maximum(shares.total(labelled.sum()), 1)
    return losses.sum() / count.astype(logits.dtype)

  return loss


def evaluate(metric: str, labels: np.ndarray, logits: np.ndarray) -> Score:
  """Scores the predictions of a whole split.

  Args:
    metric: 'ap', 'rocauc', 'rmse', 'mae' or 'accuracy'.
    labels: [G, T], NaN = not measured ('accuracy': [G, 1] class numbers).
    logits: [G, T] raw outputs of the model ('accuracy': [G, C]).

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

  It is the training mean of each task for 'rmse' and 'mae', and the most
  frequent class of the training set for 'accuracy'. By 'ap' any constant scores
  the share of positives, and by 'rocauc' one half.

  Args:
    metric: As `evaluate` takes it.
    train_labels: [G', T] of the training set, NaN = not measured.
    labels: [G, T] of the split.
    num_outputs: T, or for 'accuracy' the number of classes C.

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

  Args:
    labels: [G, T] of 0, 1 and NaN.
    logits: [G, T].

  Returns:
    [T] float64; NaN for a task without a positive or a negative label.
  """
  true, false, starts = _threshold_counts(labels, logits)
  height = true - _steps(true, starts) / 2  # [K] of each trapezoid.
  area = np.add.reduceat(_steps(false, starts) * height, starts)  # [T]
  positives, negatives = _class_counts(labels)
  pairs = positives * negatives
  return np.where(pairs > 0, area / np.maximum(pairs, 1), np.nan)


def rmse(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Root mean squared error of each task, [T]; NaN without a label."""
  return np.sqrt(_mean_labelled(_errors(labels, predictions) ** 2))


def mae(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Mean absolute error of each task, [T]; NaN without a label."""
  return _mean_labelled(np.abs(_errors(labels, predictions)))


def accuracy(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
  """Share of graphs whose largest logit is that of their class.

  Args:
    labels: [G, 1] class numbers, NaN = not known.
    logits: [G, C].

  Returns:
    [1] float64.
  """
  known = ~np.isnan(labels)
  possible = np.isin(labels[known], np.arange(logits.shape[1]))
  if not possible.all():
    raise ValueError(
      f"label {labels[known][~possible][0]:g} is not a class number from 0 to"
      f" {logits.shape[1] - 1}"
    )
  correct = labels == logits.argmax(axis=1)[:, None]  # [G, 1]
  return _mean_labelled(np.where(known, correct, np.nan))


def _any_constant(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  return np.zeros(num_outputs)


def _training_mean(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  """The mean label of each task, [T]; 0 where there is none."""
  return np.nan_to_num(_mean_labelled(labels.astype(np.float64)))


def _frequent_class(labels: np.ndarray, num_outputs: int) -> np.ndarray:
  """Logits [C] that are largest for the most frequent class."""
  classes = labels[~np.isnan(labels)].astype(np.int64)
  return np.bincount(classes, minlength=num_outputs).astype(np.float64)


class _Metric(NamedTuple):
  function: Callable[[np.ndarray, np.ndarray], np.ndarray]
  higher_is_better: bool
  needs: str  # What a task must have to qualify.
  # Training labels and the number of outputs -> logits of a constant.
  constant: Callable[[np.ndarray, int], np.ndarray]


_BOTH = "a positive and a negative label"
_METRICS = {
  "ap": _Metric(average_precision, True, _BOTH, _any_constant),
  "rocauc": _Metric(roc_auc, True, _BOTH, _any_constant),
  "rmse": _Metric(rmse, False, "a label", _training_mean),
  "mae": _Metric(mae, False, "a label", _training_mean),
  "accuracy": _Metric(accuracy, True, "a label", _frequent_class),
}


def _metric(name: str) -> _Metric:
  if name not in _METRICS:
    raise ValueError(f"unknown metric {name!r}.{suggest(name, _METRICS)}")
  return _METRICS[name]


def _binary_loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
  # Not softplus(x) - y x, which cancels where the model is right and sure.
  losses = labels * jax.nn.softplus(-logits)
  return losses + (1 - labels) * jax.nn.softplus(logits)


def _multiclass_loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
  log_probabilities = jax.nn.log_softmax(logits)  # [G, C]
  classes = labels.astype(jnp.int32)  # [G, 1]
  return -jnp.take_along_axis(log_probabilities, classes, axis=1)  # [G, 1]


def _regression_loss(predictions: jax.Array, labels: jax.Array) -> jax.Array:
  return jnp.square(predictions - labels)


# Each takes logits and labels to one loss per entry of the labels.
_ENTRY_LOSSES = {
  "binary": _binary_loss,
  "multiclass": _multiclass_loss,
  "regression": _regression_loss,
}


# The names whose labels are one column of class numbers, whatever the logits.
_ONE_COLUMN = ("accuracy", "multiclass")


def _check_shapes(
  name: str, labels: jax.Array | np.ndarray, logits: jax.Array | np.ndarray
) -> None:
  columns = (1,) if name in _ONE_COLUMN else logits.shape[1:]
  if logits.ndim != 2 or labels.shape != logits.shape[:1] + columns:
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
  impossible = ~((labels == 0) | (labels == 1) | np.isnan(labels))
  if impossible.any():
    raise ValueError(f"label {labels[impossible][0]:g} is not 0, 1 or NaN")
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
