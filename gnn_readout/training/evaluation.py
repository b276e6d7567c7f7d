"""Predictions for a whole split, and the score of a checkpoint."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gnn_readout import tasks
from gnn_readout.data import identity, sources
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import Damaged, suggest
from gnn_readout.files import check_writable
from gnn_readout.runs import checkpoints, settings
from gnn_readout.tasks import GraphProperty, Problem
from gnn_readout.tasks.base import Scores
from gnn_readout.training import members, outcome, sheets
from gnn_readout.training.predictions import Predictions
from gnn_readout.training.program import Program
from gnn_readout.training.step import best_of
from gnn_readout.wording import counted

# What helps where a checkpoint is damaged.
INSTEAD = {
  "best": (
    "the command that trained the run writes it again from the latest one"
  ),
  "latest": "the best one can be scored",
}
_MOST_NAMED = 20  # Members of a population.


class Evaluation(NamedTuple):
  """A checkpoint's predictions on one split and their score.

  Attributes:
    dataset: Name of the dataset, or of the task that draws its examples.
    split: Name of the split.
    metric: Name of the metric.
    step: Training steps of the checkpoint.
    scores: The metric's value over the whole split, and others.
    predictions: What was scored; None where examples are drawn.
    facts: What identifies the dataset, see `identity`; likewise.
    schema: Schema of the dataset, or None likewise.
  """

  dataset: str
  split: str
  metric: str
  step: int
  scores: Scores
  predictions: Predictions | None
  facts: identity.Facts | None = None
  schema: Schema | None = None

  @property
  def value(self) -> float:
    """The metric's value."""
    return self.scores.values[self.metric]

  def __str__(self) -> str:
    values, details = self.scores
    scored = outcome.scored(self.metric, values, details)
    return f"{self.dataset}: {self.split} {scored}, at step {self.step}"

  def write_predictions(self, path: str | os.PathLike[str]) -> None:
    """Writes the predictions as `Predictions.write` has it, or nothing.

    Raises:
      ValueError: If there are none, as the examples were drawn, or the file's
        name says of no kind that there is.
      OSError: If the file cannot be written.
    """
    if self.predictions is None:
      raise ValueError(
        f"{self.dataset} draws its examples: there are no predictions to write"
      )
    self.predictions.write(path, self.schema)

  def summary(self) -> dict[str, Any]:
    """Returns the score and what it is the score of, as plain values."""
    return {
      "dataset": self.dataset,
      "split": self.split,
      "metric": self.metric,
      "value": self.value,
      "scores": self.scores.values,
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
  dataset: str | None = None,
) -> Evaluation:
  """Scores a checkpoint of a run on a split.

  Args:
    workdir: The folder of the run.
    split: Split, such as 'test'.
    checkpoint: 'best' or 'latest'.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    metric: Another one than the dataset's, by which 'best' was chosen.
    dataset: Where the run's dataset is now; None where it was.

  Returns:
    The score and the predictions.

  Raises:
    FileNotFoundError: If the folder holds no run or no such checkpoint, or the
      dataset is not there.
    ValueError: If the split is unknown or empty, the metric is none of the
      dataset's task, the run was made on other data, or the folder is that of a
      population.
  """
  config = read_config(workdir)
  if metric is not None and tasks.problem_class(config) is GraphProperty:
    with config.unlocked():
      config.metrics = (*config.get("metrics", ()), metric)
  problem = _open_problem(config, data_dir, cache_dir, dataset)
  metric = _check_metric(problem, metric)
  _check_split(problem, split)
  program = Program([problem])
  like = program.shapes_of_arrays()
  like = like if checkpoint == "latest" else like["best"]
  try:
    saved = checkpoints.restore(workdir, checkpoint, like, problem.schema)
  except Damaged as error:
    raise Damaged(f"{error}; {INSTEAD[checkpoint]}") from error
  (there,) = identity.of_checkpoint(saved.meta)
  facts = problem.facts()["dataset"]
  remedy = "Restore the dataset, or give its place by --dataset"
  identity.check(f"the run in {workdir}", there, facts, remedy)
  state = saved.state
  best = best_of(state["state"]) if checkpoint == "latest" else state
  program.load({"best": best}, saved.step)
  exam, (outputs,) = program.predict((split,), of_best=True)
  if isinstance(problem, GraphProperty):
    found = _of_graphs(problem.store, exam.batches, outputs)
    name = problem.schema.name
  else:
    name, found = problem.name, None
  score = exam.score(0, split, outputs)
  return Evaluation(
    name, split, metric, saved.step, score, found, facts, problem.schema
  )


def score(
  workdir: str | os.PathLike[str],
  path: str | os.PathLike[str] | None,
  *arguments: Any,
) -> Evaluation:
  """Scores a checkpoint, prints the score and writes the predictions.

  Args:
    workdir: The folder of the run.
    path: A file for the predictions; None for none.
    *arguments: The others of `evaluate_checkpoint`.
  """
  if path:  # Not found out after all the work.
    sheets.check_path(path)
    check_writable(os.path.dirname(path) or ".")
  result = evaluate_checkpoint(workdir, *arguments)
  print(result, flush=True)
  if path:
    result.write_predictions(path)
  return result


def _open_problem(
  config: ConfigDict,
  data_dir: str | os.PathLike[str] | None,
  cache_dir: str | os.PathLike[str] | None,
  dataset: str | None,
) -> Problem:
  """Returns the problem of a run, whose dataset may be elsewhere now."""
  if dataset is not None:
    if "dataset" not in config:
      raise ValueError(
        f"the run has no dataset, so --dataset={dataset} cannot be used"
      )
    config.dataset = dataset
  try:
    return tasks.make_problem(config, data_dir, cache_dir)
  except FileNotFoundError as error:
    if not sources.is_path(config.get("dataset", "")):
      raise
    raise FileNotFoundError(
      f"{error}; give its new place by --dataset"
    ) from error


def read_config(workdir: str | os.PathLike[str]) -> ConfigDict:
  """Returns the config of the run in a folder.

  Raises:
    FileNotFoundError: The folder holds no run.
    ValueError: Its config is damaged, or it is the folder of a population.
  """
  file = pathlib.Path(workdir) / "config.json"
  if not file.exists():
    raise FileNotFoundError(f"{workdir} holds no run: there is no {file}")
  config = settings.read_config(file)
  if config.get("population", ""):
    names = members.names(config)
    some = names[:_MOST_NAMED]
    more = ", ..." if len(names) > len(some) else ""
    raise ValueError(
      f"{workdir} holds a population of {counted(len(names), 'run')}; name one"
      f" of them, such as {os.path.join(workdir, 'members', names[0])}. Its"
      f" members are: {'; '.join(some)}{more}"
    )
  if "num_devices" in config:  # As many as the run had may not be here.
    config.num_devices = 1
  return config


def _check_metric(problem: Problem, metric: str | None) -> str:
  """Returns the metric to score by."""
  if metric is None:
    return problem.metric
  known = (problem.metric,)
  if not problem.schema and metric not in known:
    raise ValueError(
      f"{problem.name} cannot be scored by {metric!r}.{suggest(metric, known)}"
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
  found = []
  for batch, logits in zip(batches, outputs, strict=True):
    mask, index = (
      np.asarray(batch.globals[name]) for name in ("mask", "index")
    )
    found.append((index[mask], logits[mask]))
  index, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
  return Predictions.of(store, index, logits)
