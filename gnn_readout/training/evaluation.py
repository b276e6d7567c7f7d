"""Predictions for a whole split, and the score of a checkpoint."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gnn_readout import tasks
from gnn_readout.data.store import METRICS, GraphStore
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_write_bytes, check_writable
from gnn_readout.runs import checkpoints, settings
from gnn_readout.tasks import GraphProperty, Problem
from gnn_readout.tasks.base import Scores
from gnn_readout.tasks.graph_property import score_logits
from gnn_readout.training import members
from gnn_readout.training.program import Program
from gnn_readout.training.step import best_of


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
    dataset: Name of the dataset, or of the task that draws its examples.
    split: Name of the split.
    metric: Name of the metric.
    step: Training steps of the checkpoint.
    scores: The metric's value over the whole split, and others.
    predictions: What was scored; None where examples are drawn.
  """

  dataset: str
  split: str
  metric: str
  step: int
  scores: Scores
  predictions: Predictions | None

  @property
  def value(self) -> float:
    """The metric's value."""
    return self.scores.values[self.metric]

  def __str__(self) -> str:
    count = self.scores.details.get("num_tasks_scored")
    over = f" over {count} task{'s' * (count > 1)}" if count else ""
    return (
      f"{self.dataset}: {self.split} {self.metric} {self.value:.5f}{over}, at"
      f" step {self.step}"
    )

  def write_predictions(self, path: str | os.PathLike[str]) -> None:
    """Writes `graph_index`, `logits` and `labels` to an .npz file, or nothing.

    Raises:
      ValueError: If there are none: the examples were drawn.
      OSError: If the file cannot be written.
    """
    if self.predictions is None:
      raise ValueError(
        f"{self.dataset} draws its examples: there are no predictions to write"
      )
    index, logits, labels = self.predictions
    file = io.BytesIO()
    np.savez(file, graph_index=index, logits=logits, labels=labels)
    atomic_write_bytes(path, file.getvalue())

  def summary(self) -> dict[str, Any]:
    """Returns the score and what it is the score of, as plain values."""
    return {
      "dataset": self.dataset,
      "split": self.split,
      "metric": self.metric,
      "value": self.value,
      **self.scores.details,
      "step": self.step,
    }


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
      dataset's task, the checkpoint does not fit the dataset, or the folder is
      that of a population.
  """
  problem = tasks.make_problem(_read_config(workdir), data_dir, cache_dir)
  metric = _check_metric(problem, metric)
  _check_split(problem, split)
  program = Program([problem])
  like = program.shapes_of_arrays()
  like = like if checkpoint == "latest" else like["best"]
  saved = checkpoints.restore(workdir, checkpoint, like, problem.schema)
  state = saved.state
  best = best_of(state["state"]) if checkpoint == "latest" else state
  program.load({"best": best}, saved.step)
  exam, (outputs,) = program.predict((split,), of_best=True)
  if isinstance(problem, GraphProperty):
    predictions = _of_graphs(problem.store, exam.batches, outputs)
    name = problem.schema.name
    score = score_logits(metric, predictions.labels, predictions.logits, split)
  else:
    name, predictions = problem.name, None
    score = exam.score(0, split, outputs)
  return Evaluation(name, split, metric, saved.step, score, predictions)


def score(
  workdir: str | os.PathLike[str],
  predictions: str | os.PathLike[str] | None,
  *arguments: Any,
) -> Evaluation:
  """Scores a checkpoint, prints the score and writes the predictions.

  Args:
    workdir: The folder of the run.
    predictions: A file to write; None for none.
    *arguments: The others of `evaluate_checkpoint`.
  """
  if predictions:  # Not found out after all the work.
    check_writable(os.path.dirname(predictions) or ".")
  result = evaluate_checkpoint(workdir, *arguments)
  print(result, flush=True)
  if predictions:
    result.write_predictions(predictions)
  return result


def _read_config(workdir: str | os.PathLike[str]) -> ConfigDict:
  """Returns the config of the run in a folder."""
  file = pathlib.Path(workdir) / "config.json"
  if not file.exists():
    raise FileNotFoundError(f"{workdir} holds no run: there is no {file}")
  config = settings.read_config(file)
  if config.get("population", ""):
    names = members.names(config)
    raise ValueError(
      f"{workdir} holds a population of {len(names)} runs; name one of them,"
      f" such as {os.path.join(workdir, 'members', names[0])}"
    )
  if "num_devices" in config:  # As many as the run had may not be here.
    config.num_devices = 1
  return config


def _check_metric(problem: Problem, metric: str | None) -> str:
  """Returns the metric to score by."""
  if metric is None:
    return problem.metric
  known = (problem.metric,)
  if problem.schema:
    known = METRICS[problem.schema.task_type]
  if metric not in known:
    name = problem.schema.name if problem.schema else problem.name
    raise ValueError(
      f"{name} cannot be scored by {metric!r}.{suggest(metric, known)}"
    )
  return metric


def _check_split(problem: Problem, split: str) -> None:
  """Raises ValueError for a split that is unknown or empty."""
  name, splits = problem.name, {"valid": [0], "test": [0]}
  if isinstance(problem, GraphProperty):
    name, splits = problem.schema.name, problem.store.splits
  if split not in splits:
    raise ValueError(
      f"unknown split {split!r} of {name}.{suggest(split, splits)}"
    )
  if not len(splits[split]):
    raise ValueError(f"split {split!r} of {name} is empty.")


def _of_graphs(
  store: GraphStore, batches: Sequence[Any], outputs: Sequence[np.ndarray]
) -> Predictions:
  """Returns what was predicted for the real graphs of batches, by graph."""
  rows = []
  for batch, logits in zip(batches, outputs, strict=True):
    mask, index = (
      np.asarray(batch.globals[name]) for name in ("mask", "index")
    )
    rows.append((index[mask], logits[mask]))
  index, logits = (np.concatenate(parts) for parts in zip(*rows, strict=True))
  order = np.argsort(index)
  index = index[order]
  return Predictions(index, logits[order], np.asarray(store.labels[index]))
