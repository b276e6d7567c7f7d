"""Scores of the predictions for a split, beside those of a constant.

Letters: G graphs of the split, T tasks, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnn_readout import metrics
from gnn_readout.data.store import METRICS, GraphStore, Schema
from gnn_readout.errors import suggest
from gnn_readout.tasks.base import Scores

# What every run records; others if they are asked for.
RECORDED = {
  "binary": ("ap", "rocauc"),
  "multiclass": ("accuracy",),
  "regression": ("rmse", "mae"),
}


def names(
  config: Mapping[str, Any], schema: Schema
) -> tuple[str, tuple[str, ...]]:
  """Returns the metric that a run is judged by, and all that it records.

  Args:
    config: Its `metric` replaces the dataset's, its `metrics` are recorded as
      well.
    schema: Schema of the dataset.

  Raises:
    ValueError: If one of them is none of the dataset's task type.
  """
  first, more = config.get("metric") or schema.metric, config.get("metrics", ())
  known = METRICS[schema.task_type]
  for name in (first, *more):
    if name not in known:
      raise ValueError(
        f"{schema.name} cannot be scored by {name!r}.{suggest(name, known)}"
      )
  recorded = dict.fromkeys((*RECORDED[schema.task_type], first, *more))
  return first, tuple(recorded)


def score(
  store: GraphStore,
  split: str,
  logits: np.ndarray,
  constants: Mapping[str, float],
  metric: str = "",
) -> Scores:
  """Scores predictions of a whole split by every metric that is recorded.

  Args:
    store: The dataset.
    split: Its name.
    logits: [G, T] or [G, C], in the order of the split.
    constants: From `constant_scores`, of the same split and metrics.
    metric: The one that the run is judged by; empty: the dataset's.

  Returns:
    The scores by metric. Their details have `num_tasks_scored`,
    `constant_scores` and, of several tasks, `per_task`: by that metric
    the score of each, None for one that does not qualify.

  Raises:
    ValueError: If a logit is not finite, or no task qualifies.
  """
  bad = ~np.isfinite(logits).all(axis=1)
  if bad.any():
    raise ValueError(
      f"the predictions for {bad.sum()} of {len(bad)} graphs of split"
      f" {split!r} are not finite"
    )
  schema, labels = store.schema, store.labels[store.splits[split]]
  found = {name: metrics.evaluate(name, labels, logits) for name in constants}
  metric = metric or schema.metric
  own = found[metric]
  details = {
    "num_tasks_scored": own.num_tasks_scored,
    "constant_scores": dict(constants),
  }
  if schema.num_tasks > 1:
    values = [None if np.isnan(x) else x for x in own.per_task.tolist()]
    per_task = dict(zip(schema.task_names, values, strict=True))
    details["per_task"] = {metric: per_task}
  return Scores({name: x.value for name, x in found.items()}, details)


def constant_scores(
  store: GraphStore, split: str, recorded: Sequence[str]
) -> dict[str, float]:
  """Returns by metric what a constant prediction scores on a split.

  Args:
    store: The dataset; the constant is that of its training labels.
    split: Its name.
    recorded: The metrics, from `names`.
  """
  train, labels = (store.labels[store.splits[x]] for x in ("train", split))
  return {
    name: metrics.evaluate_constant(
      name, train, labels, store.schema.num_outputs
    ).value
    for name in recorded
  }


def check_scorable(
  store: GraphStore, splits: Sequence[str], recorded: Sequence[str]
) -> None:
  """Raises ValueError unless each split has labels that the metrics can score.

  A run would otherwise only find out when its first evaluation is due. Nor is
  there anything to train without a label in the training set.
  """
  schema = store.schema
  if np.isnan(store.labels[store.splits["train"]]).all():
    raise ValueError(f"split 'train' of dataset {schema.name!r} has no label")
  for split in splits:
    if not len(store.splits.get(split, ())):
      raise ValueError(f"split {split!r} of {schema.name} is empty.")
    labels = store.labels[store.splits[split]]
    logits = np.zeros((len(labels), schema.num_outputs), np.float32)
    try:
      for name in recorded:
        metrics.evaluate(name, labels, logits)
    except ValueError as error:
      raise ValueError(
        f"split {split!r} of dataset {schema.name!r}: {error}"
      ) from error
