"""Predictions for a whole split, and the score of a checkpoint."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import haiku as hk
import jax
import jraph
import numpy as np

from gnn_readout import data, metrics, models
from gnn_readout.data import batches
from gnn_readout.data.store import METRICS, GraphStore
from gnn_readout.errors import suggest
from gnn_readout.optimizers import make_optimizer
from gnn_readout.runs import checkpoints, settings
from gnn_readout.training.step import init_state

Predict = Callable[[hk.Params, hk.State, jraph.GraphsTuple], jax.Array]


class Predictions(NamedTuple):
  """What a model says about every graph of a split, in the store's order.

  Attributes:
    index: [G] int32, the graph's number in the store, ascending.
    logits: [G, T] float32, or [G, C] for C classes.
    labels: [G, T] float32, NaN = missing.
  """

  index: np.ndarray
  logits: np.ndarray
  labels: np.ndarray


class Evaluation(NamedTuple):
  """A checkpoint's predictions on one split and their score.

  Attributes:
    dataset: Name of the dataset.
    split: Name of the split.
    metric: Name of the metric.
    step: Training steps of the checkpoint.
    score: The metric's value over the whole split.
    predictions: What was scored.
  """

  dataset: str
  split: str
  metric: str
  step: int
  score: metrics.Score
  predictions: Predictions

  def __str__(self) -> str:
    return (
      f"{self.dataset}: {self.split} {self.metric} {self.score.value:.5f} over"
      f" {self.score.num_tasks_scored} tasks, at step {self.step}"
    )

  def summary(self) -> dict[str, Any]:
    """Returns the score and what it is the score of, as plain values."""
    return {
      "dataset": self.dataset,
      "split": self.split,
      "metric": self.metric,
      "value": self.score.value,
      "num_tasks_scored": self.score.num_tasks_scored,
      "step": self.step,
    }


def make_predict(model: models.Model) -> Predict:
  """Returns a jitted function of (params, model_state, batch) to logits."""

  def predict(
    params: hk.Params, model_state: hk.State, batch: jraph.GraphsTuple
  ) -> jax.Array:
    # No key: evaluation draws nothing, and would fail if it did.
    output, _ = model.apply(params, model_state, None, batch, is_training=False)
    return output.logits

  return jax.jit(predict)


def predict_split(
  predict: Predict,
  params: hk.Params,
  model_state: hk.State,
  store: GraphStore,
  split: str,
  batch_size: int,
) -> Predictions:
  """Runs the model once over every graph of a split.

  Args:
    predict: From `make_predict`.
    params: The model's parameters.
    model_state: The model's running statistics.
    store: The graphs.
    split: A name in `store.splits`.
    batch_size: Most graphs in a batch; does not change the result.

  Returns:
    The predictions, ordered by graph.

  Raises:
    ValueError: If the split is unknown or empty, or a logit is not finite.
  """
  params, model_state = jax.device_put((params, model_state))
  rows, waiting = [], collections.deque()

  def fetch() -> None:
    batch, logits = waiting.popleft()
    mask = batch.globals["mask"]
    rows.append((batch.globals["index"][mask], np.asarray(logits)[mask]))

  for batch in batches.eval_batches(store, split, batch_size):
    waiting.append((batch, predict(params, model_state, batch)))
    if len(waiting) > 1:  # Fetch one batch while the next is computed.
      fetch()
  fetch()
  index, logits = (np.concatenate(parts) for parts in zip(*rows, strict=True))
  bad = ~np.isfinite(logits).all(axis=1)
  if bad.any():
    raise ValueError(
      f"the predictions for {bad.sum()} of {len(bad)} graphs of split"
      f" {split!r} are not finite"
    )
  order = np.argsort(index)
  index = index[order]
  return Predictions(index, logits[order], np.asarray(store.labels[index]))


def check_scorable(store: GraphStore, splits: Iterable[str]) -> None:
  """Raises ValueError unless each split has labels that its metric can score.

  A run would otherwise only find out when its first evaluation is due. Nor is
  there anything to train without a label in the training set.
  """
  schema = store.schema
  if np.isnan(store.labels[store.splits["train"]]).all():
    raise ValueError(f"split 'train' of dataset {schema.name!r} has no label")
  for split in splits:
    batches.make_eval_plan(store, split, batch_size=1, num_buckets=1)
    labels = store.labels[store.splits[split]]
    outputs = schema.num_classes or schema.num_tasks
    logits = np.zeros((len(labels), outputs), np.float32)
    try:
      metrics.evaluate(schema.metric, labels, logits)
    except ValueError as error:
      raise ValueError(
        f"split {split!r} of dataset {schema.name!r}: {error}"
      ) from error


def evaluate_checkpoint(
  workdir: str | os.PathLike[str],
  split: str,
  checkpoint: str = "best",
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  metric: str | None = None,
) -> Evaluation:
  """Scores a checkpoint of a run on a split.

  Args:
    workdir: The folder of the run.
    split: Such as 'test'.
    checkpoint: 'best' or 'latest'.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    metric: Another one than the dataset's, by which 'best' was chosen.

  Returns:
    The score and the predictions.

  Raises:
    FileNotFoundError: If the folder holds no run or no such checkpoint.
    ValueError: If the split is unknown or empty, the metric is none of the
      dataset's task, or the checkpoint does not fit the dataset.
  """
  file = pathlib.Path(workdir) / "config.json"
  if not file.exists():
    raise FileNotFoundError(f"{workdir} holds no run: there is no {file}")
  config = settings.read_config(file)
  store = data.load_config(config, data_dir, cache_dir)
  metric, known = metric or store.schema.metric, METRICS[store.schema.task_type]
  if metric not in known:
    raise ValueError(
      f"{store.schema.name} cannot be scored by {metric!r}."
      f"{suggest(metric, known)}"
    )
  model = models.build_model(config.model, store.schema)
  optimizer = make_optimizer(**config.optimizer, num_steps=1)
  batch = next(batches.eval_batches(store, split, batch_size=1, prefetch=0))
  like = jax.eval_shape(
    lambda: init_state(model, optimizer, batch, config.seed)
  )
  state = checkpoints.restore(workdir, checkpoint, like, store.schema).state
  predictions = predict_split(
    make_predict(model),
    state.params,
    state.model_state,
    store,
    split,
    config.eval_batch_size,
  )
  return Evaluation(
    dataset=store.schema.name,
    split=split,
    metric=metric,
    step=int(state.step),
    score=metrics.evaluate(metric, predictions.labels, predictions.logits),
    predictions=predictions,
  )
