"""Is one model better than another on a split? A paired bootstrap over graphs.

A resample draws as many graphs as the split has, with replacement, and scores
both models on them. It is held as counts, how often each graph was drawn, and
never copies a row: sums become weighted sums, and of a ranking all that counts
is the weight between one threshold and the next.

Letters: G graphs, T tasks, R resamples, K stretches of a ranking.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gnn_readout import confusion, metrics
from gnn_readout.wording import counted

_CHUNK = 32  # Resamples at a time: what is gathered for them fits a cache.

# Counts [R, G] to the metric of each task in each resample, [R, T]; NaN where
# the task does not qualify.
Weighted = Callable[[np.ndarray], np.ndarray]


class Comparison(NamedTuple):
  """The metric of two models, A and B, on the same graphs.

  Attributes:
    metric: Name of the metric.
    value_a: A's on the split itself.
    value_b: B's.
    difference: value_a - value_b.
    low: Where the 95% percentile interval of the difference begins.
    high: Where it ends.
    share_better: Share of the resamples in which A is strictly better.
    differences: [R] A's metric minus B's in every resample, without those in
      which no task qualifies.
  """

  metric: str
  value_a: float
  value_b: float
  difference: float
  low: float
  high: float
  share_better: float
  differences: np.ndarray

  def __str__(self) -> str:
    return (
      f"A - B: {self.difference:+.5f} {self.metric}, 95% interval"
      f" [{self.low:+.5f}, {self.high:+.5f}]; A is better in"
      f" {self.share_better:.1%} of"
      f" {counted(len(self.differences), 'resample')}"
    )

  def summary(self) -> dict[str, str | float]:
    """Returns all but the single resamples, and their number."""
    values = self._asdict()
    values["num_resamples"] = len(values.pop("differences"))
    return values


def compare(
  metric: str,
  labels: np.ndarray,
  logits_a: np.ndarray,
  logits_b: np.ndarray,
  num_resamples: int = 1000,
  seed: int = 0,
  progress: Callable[[int], None] = lambda done: None,
) -> Comparison:
  """Compares the predictions of two models for the same graphs.

  d_r = M(A, c_r) - M(B, c_r), c_r ~ Multinomial(G, 1/G): the metric M, a mean
  over tasks, with graph g counted c_rg times, the same for both models. A task
  that a resample leaves without what the metric needs, such as a positive
  label, drops out of that resample's mean. The interval runs from the 2.5th to
  the 97.5th percentile of d.

  It answers for the choice of graphs alone. How far either model would move
  with another seed of training it cannot tell.

  Args:
    metric: As `metrics.evaluate` takes it.
    labels: [G, T], NaN = not measured ('accuracy': [G, 1] class numbers).
    logits_a: [G, T] raw outputs of A ('accuracy': [G, C]).
    logits_b: [G, T] those of B.
    num_resamples: How many, R.
    seed: Seed of the resamples.
    progress: Called now and then with the number of resamples done.

  Returns:
    Both values, their difference, its interval and its resamples.

  Raises:
    ValueError: As `metrics.evaluate`; or if there is less than one resample,
      or no resample in which a task qualifies.

  Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
  chapter 13.
  """
  if num_resamples < 1:
    raise ValueError(f"num_resamples must be at least 1, got {num_resamples}")
  labels = np.asarray(labels)
  both = [np.asarray(logits) for logits in (logits_a, logits_b)]
  value_a, value_b = (metrics.evaluate(metric, labels, x).value for x in both)
  weighted = [_WEIGHTED[metric](labels, logits) for logits in both]
  rng = np.random.default_rng(seed)
  parts = []
  for start in range(0, num_resamples, _CHUNK):
    size = min(_CHUNK, num_resamples - start)
    counts = resample(rng, len(labels), size)
    a, b = (_mean_over_tasks(function(counts)) for function in weighted)
    parts.append(a - b)
    progress(start + size)
  differences = np.concatenate(parts)
  differences = differences[~np.isnan(differences)]
  if not len(differences):
    raise ValueError(
      f"no task qualifies for {metric!r} in any of"
      f" {counted(num_resamples, 'resample')} of"
      f" {counted(len(labels), 'graph')}"
    )
  low, high = np.percentile(differences, [2.5, 97.5])
  sign = 1 if metrics.higher_is_better(metric) else -1
  return Comparison(
    metric=metric,
    value_a=value_a,
    value_b=value_b,
    difference=value_a - value_b,
    low=float(low),
    high=float(high),
    share_better=float((sign * differences > 0).mean()),
    differences=differences,
  )


def resample(
  rng: np.random.Generator, num_graphs: int, num_resamples: int
) -> np.ndarray:
  """Draws graphs with replacement, as many as there are.

  Args:
    rng: What draws; one resample after the other.
    num_graphs: G.
    num_resamples: R.

  Returns:
    [R, G] int32, how often each graph was drawn; every row sums to G.
  """
  counts = np.empty((num_resamples, num_graphs), np.int32)
  for row in counts:
    drawn = rng.integers(num_graphs, size=num_graphs)
    row[:] = np.bincount(drawn, minlength=num_graphs)
  return counts


def _mean_over_tasks(values: np.ndarray) -> np.ndarray:
  """Mean over the tasks that qualify: [R, T] to [R]; NaN where none does."""
  scored = ~np.isnan(values)
  number = scored.sum(axis=1)
  total = np.where(scored, values, 0).sum(axis=1)
  return np.where(number > 0, total / np.maximum(number, 1), np.nan)


# Metrics that are a mean over graphs.


def _weighted_mean(values: np.ndarray) -> Weighted:
  """Returns the mean of each column [G, T] over the graphs that have one."""
  known = ~np.isnan(values)
  values, known = np.where(known, values, 0), known.astype(np.float64)

  def weighted(counts: np.ndarray) -> np.ndarray:
    counts = counts.astype(np.float64)
    number = counts @ known  # [R, T]
    mean = (counts @ values) / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan)

  return weighted


def _mae(labels: np.ndarray, predictions: np.ndarray) -> Weighted:
  return _weighted_mean(np.abs(predictions.astype(np.float64) - labels))


def _rmse(labels: np.ndarray, predictions: np.ndarray) -> Weighted:
  mean = _weighted_mean((predictions.astype(np.float64) - labels) ** 2)
  return lambda counts: np.sqrt(mean(counts))


def _r2(labels: np.ndarray, predictions: np.ndarray) -> Weighted:
  known = ~np.isnan(labels)
  # Near 0, as the variance is a difference of squares.
  start = np.where(known, labels, 0).sum(axis=0) / np.maximum(known.sum(0), 1)
  values = labels.astype(np.float64) - start  # [G, T]
  residuals = (predictions.astype(np.float64) - labels) ** 2
  columns = [np.where(known, x, 0) for x in (residuals, values, values**2)]

  def weighted(counts: np.ndarray) -> np.ndarray:
    # Whether a resample's labels are all the same must not hang on rounding.
    lowest, highest = np.empty((2, len(counts), labels.shape[1]))
    for row, count in enumerate(counts):
      drawn = known & (count > 0)[:, None]
      lowest[row] = np.where(drawn, values, np.inf).min(axis=0)
      highest[row] = np.where(drawn, values, -np.inf).max(axis=0)
    counts = counts.astype(np.float64)
    number = counts @ known.astype(np.float64)  # [R, T]
    residual, first, second = (counts @ column for column in columns)
    total = second - first**2 / np.maximum(number, 1)
    total = np.where(highest > lowest, total, 0)
    return np.where(number > 1, metrics.r2_of(residual, total), np.nan)

  return weighted


# Metrics of a confusion matrix.


def _confused(metric: str, labels: np.ndarray, logits: np.ndarray) -> Weighted:
  cells, size = confusion.cells(labels, logits)
  score = confusion.SCORES[metric]
  is_binary = not confusion.is_of_classes(labels, logits)
  known = ~np.isnan(labels)  # [G, T]
  used = np.unique(cells[known])
  is_in = [((cells == cell) & known).astype(np.float64) for cell in used]

  def weighted(counts: np.ndarray) -> np.ndarray:
    counts = counts.astype(np.float64)
    table = np.zeros((len(counts), labels.shape[1], size**2))
    for cell, column in zip(used, is_in, strict=True):
      table[..., cell] = counts @ column  # [R, T]
    return score(table.reshape(*table.shape[:2], size, size), is_binary)

  return weighted


# Metrics of a ranking.


class _Ranking(NamedTuple):
  """The labelled graphs of a task, the highest logit first, in stretches.

  A stretch is one threshold, that is all graphs of one logit, if one of them
  is a positive. Thresholds in a row without a positive make one stretch
  together: recall does not change within it, so neither average precision nor
  ROC-AUC can tell it from one threshold. With few positives there are few.

  Attributes:
    graphs: Labelled graphs.
    starts: [K] where each stretch begins in `graphs`.
    positives: Labelled graphs with a positive label.
    positive_starts: Where each stretch that has any begins in `positives`.
    has_positive: [K] which stretches those are.
  """

  graphs: np.ndarray
  starts: np.ndarray
  positives: np.ndarray
  positive_starts: np.ndarray
  has_positive: np.ndarray


def _rank(labels: np.ndarray, logits: np.ndarray) -> _Ranking:
  """Ranks the graphs of a task with a label, given labels and logits [G]."""
  labelled = np.flatnonzero(~np.isnan(labels))
  graphs = labelled[np.argsort(-logits[labelled])]
  positive = labels[graphs] == 1
  ranked = logits[graphs]
  # Not their difference: two that are infinite are the same, too.
  changes = np.append(True, ranked[1:] != ranked[:-1])
  first = np.flatnonzero(changes)  # Of each threshold.
  has_positive = np.logical_or.reduceat(positive, first)
  begins = has_positive | np.append(True, has_positive[:-1])
  starts, has_positive = first[begins], has_positive[begins]
  positives_before = np.append(0, np.cumsum(positive))
  return _Ranking(
    graphs,
    starts,
    graphs[positive],
    positives_before[starts[has_positive]],
    has_positive,
  )


def _ranked(
  area: Callable[[np.ndarray, np.ndarray], np.ndarray],
  labels: np.ndarray,
  logits: np.ndarray,
) -> Weighted:
  """Returns a metric of the ranking of each task.

  Args:
    area: The metric from the positives and negatives [R, K] of each stretch;
      whatever where one of the two is missing altogether.
    labels: [G, T].
    logits: [G, T].
  """
  # The others do not qualify in any resample either.
  tasks = np.flatnonzero((labels == 1).any(0) & (labels == 0).any(0))
  rankings = [_rank(labels[:, t], logits[:, t]) for t in tasks]

  def weighted(counts: np.ndarray) -> np.ndarray:
    result = np.full((len(counts), labels.shape[1]), np.nan)
    for task, ranking in zip(tasks, rankings, strict=True):
      true, false = _stretches(ranking, counts)
      qualifies = true.any(axis=1) & false.any(axis=1)
      result[qualifies, task] = area(true, false)[qualifies]
    return result

  return weighted


def _stretches(
  ranking: _Ranking, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Counts the positives and the negatives in each stretch: [R, K] twice."""
  # Of int32 like the counts: by default reduceat converts to int64.
  total = np.add.reduceat(
    counts[:, ranking.graphs], ranking.starts, axis=1, dtype=np.int32
  )  # [R, K]
  true = np.zeros(total.shape)
  true[:, ranking.has_positive] = np.add.reduceat(
    counts[:, ranking.positives],
    ranking.positive_starts,
    axis=1,
    dtype=np.int32,
  )
  return true, total - true


def _precision_area(true: np.ndarray, false: np.ndarray) -> np.ndarray:
  true_above = true.cumsum(axis=1)  # [R, K]
  above = true_above + false.cumsum(axis=1)
  area = (true * true_above / np.maximum(above, 1)).sum(axis=1)  # [R]
  return area / np.maximum(true_above[:, -1], 1)


def _roc_area(true: np.ndarray, false: np.ndarray) -> np.ndarray:
  height = true.cumsum(axis=1) - true / 2  # [R, K] of each trapezoid.
  pairs = true.sum(axis=1) * false.sum(axis=1)  # [R]
  return (false * height).sum(axis=1) / np.maximum(pairs, 1)


def _rocauc(labels: np.ndarray, logits: np.ndarray) -> Weighted:
  if not confusion.is_of_classes(labels, logits):
    return _ranked(_roc_area, labels, logits)
  areas = _ranked(_roc_area, *metrics.one_against_all(labels, logits))
  return lambda counts: _mean_over_tasks(areas(counts))[:, None]


# Each takes labels and logits to a function of counts.
_WEIGHTED: dict[str, Callable[..., Any]] = {
  "ap": functools.partial(_ranked, _precision_area),
  "rocauc": _rocauc,
  "rmse": _rmse,
  "mae": _mae,
  "r2": _r2,
  **{name: functools.partial(_confused, name) for name in confusion.SCORES},
}
