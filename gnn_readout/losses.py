"""Losses on one batch, and how much each label counts in them.

Labels are [G, T] with NaN where nothing was measured; those of classes are
[G, 1] numbers of classes. Letters: G graphs, T tasks, C classes, 2 for a binary
task and 1 for a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from gnn_readout import shares
from gnn_readout.errors import suggest
from gnn_readout.wording import counted

Loss = Callable[..., jax.Array]


def masked_loss(task_type: str) -> Loss:
  """Returns the training loss of a task type.

  'binary': cross-entropy with logits; 'multiclass': softmax cross-entropy of
  the class number in labels[:, 0]; 'regression': squared error. Each is the
  mean over the labelled entries of real graphs, and 0 where there are none;
  with weights it is sum_i w_i l_i / sum_i w_i. The gradient is finite, and 0
  where there is no label. The loss of a share is its part of that of the whole
  batch, see `shares`.

  Args:
    task_type: 'binary', 'multiclass' or 'regression'.

  Returns:
    A function of logits [G, T] (multiclass: [G, C]), labels [G, T]
    (multiclass: [G, 1]), mask [G] and, if wanted, weights [T, C] of the labels,
    to a scalar of the logits' dtype.

  Raises:
    ValueError: If the task type is unknown or, when called, shapes disagree.
  """
  if task_type not in _ENTRY_LOSSES:
    known = suggest(task_type, _ENTRY_LOSSES)
    raise ValueError(f"unknown task_type {task_type!r}.{known}")
  entry_loss = _ENTRY_LOSSES[task_type]

  def loss(
    logits: jax.Array,
    labels: jax.Array,
    mask: jax.Array,
    weights: jax.Array | None = None,
  ) -> jax.Array:
    _check_shapes(task_type, labels, logits)
    labelled = mask[:, None] & ~jnp.isnan(labels)
    # where on the inputs as well: on the result alone, 0 * NaN would remain
    # in the gradient.
    labels = jnp.where(labelled, labels, 0).astype(logits.dtype)
    logits = jnp.where(labelled, logits, 0)  # [G, 1] spreads over classes.
    losses = jnp.where(labelled, entry_loss(logits, labels), 0)
    if weights is None:
      count = jnp.maximum(shares.total(labelled.sum()), 1)
      return losses.sum() / count.astype(logits.dtype)
    classes = jnp.zeros(labels.shape, jnp.int32)  # Of numbers.
    if task_type != "regression":
      classes = labels.astype(jnp.int32)  # [G, T]
    each = weights[jnp.arange(labels.shape[1]), classes].astype(logits.dtype)
    each = jnp.where(labelled, each, 0)  # [G, T]
    total = shares.total(each.sum())
    return (each * losses).sum() / jnp.where(total > 0, total, 1)

  return loss


def label_weights(
  task_type: str,
  labels: np.ndarray,
  num_classes: int,
  class_weights: Sequence[float] | str = (),
  task_weights: Sequence[float] = (),
) -> np.ndarray | None:
  """Returns how much a label counts, the product of two weights.

  Args:
    task_type: As `masked_loss` takes it.
    labels: [G, T] of the training set.
    num_classes: C of a multi-class task.
    class_weights: [C], of the negative and the positive label of every binary
      task, or of every class; 'balanced' for n_t / (C_t n_tc), with n_tc of the
      n_t labels of task t in class c, and C_t classes that have any. Empty: 1.
    task_weights: [T]. Empty: 1.

  Returns:
    [T, C] float64, or None if all are 1.

  Raises:
    ValueError: If there are more or fewer weights than classes or tasks.
  """
  if not len(class_weights) and not len(task_weights):
    return None
  classes = {"binary": 2, "multiclass": num_classes, "regression": 1}[task_type]
  weights = np.ones((labels.shape[1], classes))
  if len(class_weights):
    if task_type == "regression":
      raise ValueError(
        "class_weights are for classification, not for regression"
      )
    if isinstance(class_weights, str):
      weights = _balanced(labels, classes)
    else:
      weights *= _as_many("class_weights", class_weights, classes, "class")
  if len(task_weights):
    own = _as_many("task_weights", task_weights, len(weights), "task")
    weights *= own[:, None]
  return weights


def _balanced(labels: np.ndarray, num_classes: int) -> np.ndarray:
  counts = np.stack(
    [(labels == c).sum(axis=0) for c in range(num_classes)], axis=1
  )  # [T, C]
  present = np.maximum((counts > 0).sum(axis=1, keepdims=True), 1)
  total = counts.sum(axis=1, keepdims=True)
  return np.where(counts > 0, total / (present * np.maximum(counts, 1)), 0.0)


def _as_many(
  field: str, weights: Sequence[float], number: int, what: str
) -> np.ndarray:
  if len(weights) != number:
    plural = "classes" if what == "class" else f"{what}s"
    raise ValueError(
      f"{field} must be one weight for each of {counted(number, what, plural)},"
      f" got {len(weights)}: {', '.join(f'{x:g}' for x in weights)}"
    )
  return np.asarray(weights, np.float64)


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


def _check_shapes(task_type: str, labels: jax.Array, logits: jax.Array) -> None:
  columns = (1,) if task_type == "multiclass" else logits.shape[1:]
  if logits.ndim != 2 or labels.shape != logits.shape[:1] + columns:
    raise ValueError(
      f"labels of shape {labels.shape} do not fit logits of shape"
      f" {logits.shape}"
    )
