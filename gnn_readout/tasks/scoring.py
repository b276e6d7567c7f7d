"""What predictions for the graphs of a split are worth, beside a constant.

Letters: G graphs of the split, T tasks, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnn_readout import metrics
from gnn_readout.data.store import METRICS, GraphStore
from gnn_readout.tasks.base import Scores


def score(
  store: GraphStore,
  split: str,
  logits: np.ndarray,
  constants: Mapping[str, float],
) -> Scores:
  """Scores predictions of a whole split by every metric of the task type.

  Args:
    store: The dataset.
    split: Its name.
    logits: [G, T] or [G, C], in the order of the split.
    constants: From `constant_scores`, of the same split.

  Returns:
    The scores by metric. Their details have `num_tasks_scored`,
    `constant_scores` and, of several tasks, `per_task`: by the dataset's metric
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
  found = {
    name: metrics.evaluate(name, labels, logits)
    for name in METRICS[schema.task_type]
  }
  own = found[schema.metric]
  details = {
    "num_tasks_scored": own.num_tasks_scored,
    "constant_scores": dict(constants),
  }
  if schema.num_tasks > 1:
    values = [None if np.isnan(x) else x for x in own.per_task.tolist()]
    per_task = dict(zip(schema.task_names, values, strict=True))
    details["per_task"] = {schema.metric: per_task}
  return Scores({name: x.value for name, x in found.items()}, details)


def constant_scores(store: GraphStore, split: str) -> dict[str, float]:
  """Returns by metric what a constant prediction scores on a split.

  Args:
    store: The dataset; the constant is that of its training labels.
    split: Its name.
  """
  train, labels = (store.labels[store.splits[x]] for x in ("train", split))
  return {
    name: metrics.evaluate_constant(
      name, train, labels, store.schema.num_outputs
    ).value
    for name in METRICS[store.schema.task_type]
  }


def check_scorable(store: GraphStore, splits: Sequence[str]) -> None:
  """Raises ValueError unless each split has labels that its metric can score.

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
      metrics.evaluate(schema.metric, labels, logits)
    except ValueError as error:
      raise ValueError(
        f"split {split!r} of dataset {schema.name!r}: {error}"
      ) from error
