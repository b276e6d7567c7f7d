"""The weighted bootstrap against one that copies rows, and against theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from gnn_readout import metrics
from gnn_readout.statistics import bootstrap

G, T, CLASSES, R = 53, 5, 3, 37


def _case(metric: str, ties: bool = False):
  """Labels and two models' logits, with tasks that some resamples lose."""
  rng = np.random.default_rng(7)
  if metric.endswith("of classes") or metric == "accuracy":
    labels = rng.integers(CLASSES, size=(G, 1)).astype(np.float32)
    labels[3] = np.nan
    return labels, *rng.normal(size=(2, G, CLASSES)).astype(np.float32)
  logits = rng.normal(size=(2, G, T)).astype(np.float32)
  labels = rng.normal(size=(G, T)).astype(np.float32)
  if metric in ("ap", "rocauc", "f1", "mcc"):
    labels = (labels > 0.5).astype(np.float32)
    labels[:, 1] = 0
    labels[11, 1] = 1  # One positive.
    labels[:, 2] = 0  # None.
    labels[:, 3] = np.arange(G) != 5  # One negative.
  labels[rng.random((G, T)) < 0.3] = np.nan
  labels[[11, 5], [1, 3]] = 1, 0
  if metric == "r2":
    labels[:, 1] = 0.1  # All the same; then a few of few.
    labels[6:, 3] = np.nan
  if metric not in ("ap", "rocauc"):
    labels[:, 2] = np.nan
  if ties:
    logits = np.round(logits, 0)
    logits[:, ::7] = np.inf
    logits[:, 1::7] = -np.inf
  return labels, *logits


def _literal(metric, labels, logits_a, logits_b, counts):
  """The differences from rows that are copied as often as they count."""
  result = []
  for count in counts:
    rows = np.repeat(np.arange(len(labels)), count)
    a, b = (
      metrics.evaluate(metric, labels[rows], logits[rows]).value
      for logits in (logits_a, logits_b)
    )
    result.append(a - b)
  return np.array(result)


@pytest.mark.parametrize(
  ("metric", "ties"),
  [
    ("ap", False),
    ("ap", True),
    ("rocauc", False),
    ("rocauc", True),
    ("rmse", False),
    ("mae", False),
    ("r2", False),
    ("f1", False),
    ("mcc", False),
    ("accuracy", False),
    ("f1 of classes", False),
    ("mcc of classes", False),
    ("rocauc of classes", False),
  ],
)
def test_is_the_bootstrap_that_copies_rows(metric, ties):
  case = _case(metric, ties)
  metric = metric.removesuffix(" of classes")
  result = bootstrap.compare(metric, *case, num_resamples=R, seed=3)
  counts = bootstrap.resample(np.random.default_rng(3), G, R)
  expected = _literal(metric, *case, counts)
  # A score of few labels that are nearly the same is in the tens of thousands.
  rtol = 1e-11 if metric == "r2" else 0
  np.testing.assert_allclose(
    result.differences, expected, rtol=rtol, atol=1e-12
  )
  values = [metrics.evaluate(metric, case[0], x).value for x in case[1:]]
  assert [result.value_a, result.value_b] == values
  assert result.difference == values[0] - values[1]
  np.testing.assert_allclose(
    [result.low, result.high], np.percentile(expected, [2.5, 97.5]), atol=1e-12
  )
  better = expected < 0 if metric in ("rmse", "mae") else expected > 0
  assert result.share_better == better.mean()
  assert 0 < result.share_better < 1
  if metric == "ap":  # What makes the case worth testing.
    positives = counts * (case[0] == 1).T[:, None]  # [T, R, G]
    assert (positives.sum(axis=2) == 0).any(axis=1).tolist() == [
      False,
      True,
      True,
      False,
      False,
    ]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("metric", ["ap", "rocauc"])
def test_is_scikit_learns_score_of_copied_rows(metric, ties):
  """Task by task, on the rows that have a label; none of this program."""
  score = {
    "ap": sklearn.metrics.average_precision_score,
    "rocauc": sklearn.metrics.roc_auc_score,
  }[metric]
  labels, *both = _case(metric)
  both = [np.round(logits, 0) if ties else logits for logits in both]
  result = bootstrap.compare(metric, labels, *both, num_resamples=R, seed=5)

  def mean(logits, rows):
    found = []
    for task in range(T):
      known = rows[~np.isnan(labels[rows, task])]
      if len(set(labels[known, task])) == 2:
        found.append(score(labels[known, task], logits[known, task]))
    return np.mean(found)

  rng = np.random.default_rng(5)
  for found in result.differences:
    rows = rng.integers(G, size=G)
    expected = mean(both[0], rows) - mean(both[1], rows)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", ["ap", "rocauc", "rmse", "mae", "accuracy"])
def test_the_same_predictions_differ_by_exactly_0(metric):
  labels, logits, _ = _case(metric)
  result = bootstrap.compare(metric, labels, logits, logits.copy(), R)
  assert result[1] == result[2]
  assert result[3:7] == (0, 0, 0, 0)
  assert not result.differences.any()


def test_the_other_way_round_is_the_negative():
  labels, a, b = _case("ap")
  one = bootstrap.compare("ap", labels, a, b, R)
  other = bootstrap.compare("ap", labels, b, a, R)
  np.testing.assert_array_equal(one.differences, -other.differences)
  assert one.share_better == pytest.approx(1 - other.share_better)


def test_spread_of_a_mean_is_that_of_theory():
  # The bootstrap's variance of a mean of d is mean((d - mean(d))^2) / G.
  rng = np.random.default_rng(0)
  labels = np.zeros((211, 1))
  a, b = rng.normal(size=(2, 211, 1)) * [[[1.0]], [[1.3]]]
  result = bootstrap.compare("mae", labels, a, b, num_resamples=4001)
  d = np.abs(a) - np.abs(b)
  deviation = d.std() / math.sqrt(211)
  assert result.differences.std() == pytest.approx(deviation, rel=0.04)
  assert result.differences.mean() == pytest.approx(d.mean(), abs=0.002)
  ends = d.mean() + 1.96 * deviation * np.array([-1, 1])
  assert [result.low, result.high] == pytest.approx(ends, abs=0.1 * deviation)


def test_the_interval_covers_the_truth_in_95_of_100_cases():
  # Positives are shifted by s of two equal normals: AUC = Phi(s / sqrt 2).
  rng = np.random.default_rng(1)
  shifts = 1.0, 0.6
  truth = np.subtract(*scipy.stats.norm.cdf(np.divide(shifts, math.sqrt(2))))
  labels = (np.arange(149) % 2)[:, None].astype(float)
  covered, cases = 0, 199
  for _ in range(cases):
    both = [rng.normal(size=labels.shape) + s * labels for s in shifts]
    result = bootstrap.compare("rocauc", labels, *both, num_resamples=199)
    covered += result.low <= truth <= result.high
  # Five in a hundred of 199, give or take three binomial deviations.
  assert 0.9 < covered / cases < 0.995


def test_resamples_are_rows_of_draws():
  rng = np.random.default_rng(2)
  counts = bootstrap.resample(rng, 13, 3001)
  assert counts.shape == (3001, 13) and counts.dtype == np.int32
  assert (counts.sum(axis=1) == 13).all() and counts.min() == 0
  np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.08)
  np.testing.assert_allclose(counts.var(axis=0), 1 - 1 / 13, atol=0.12)
  # However many at a time.
  rng = np.random.default_rng(2)
  parts = [bootstrap.resample(rng, 13, n) for n in (1, 7, 2993)]
  np.testing.assert_array_equal(np.concatenate(parts), counts)


def test_resamples_without_a_task_to_score_are_left_out():
  labels = np.zeros((17, 1))
  labels[5] = 1
  logits = np.random.default_rng(0).normal(size=(2, 17, 1))
  result = bootstrap.compare("ap", labels, *logits, R, seed=4)
  counts = bootstrap.resample(np.random.default_rng(4), 17, R)
  kept = counts[(counts[:, 5] > 0) & (counts[:, 5] < 17)]
  assert 0 < len(kept) < R
  expected = _literal("ap", labels, *logits, kept)
  np.testing.assert_allclose(result.differences, expected, rtol=0, atol=1e-12)
  assert f"of {len(kept)} resamples" in str(result)
  assert result.summary()["num_resamples"] == len(kept)


def test_no_resample_with_a_task_to_score():
  seed = next(
    seed
    for seed in range(99)
    if bootstrap.resample(np.random.default_rng(seed), 2, 1).max() == 2
  )
  labels = np.array([[0.0], [1.0]])
  with pytest.raises(ValueError, match="in any of 1 resample of 2 graphs"):
    bootstrap.compare("ap", labels, labels, labels, 1, seed)


def test_progress_is_told():
  done = []
  bootstrap.compare("ap", *_case("ap"), R, progress=done.append)
  assert done[-1] == R and done == sorted(done)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_resamples": 0}, "num_resamples must be at least 1, got 0"),
    ({"metric": "auc"}, "Did you mean 'rocauc'"),
    ({"logits_b": np.zeros((G, T - 1))}, "do not fit logits of shape"),
    ({"logits_b": np.full((G, T), np.nan)}, "logits are NaN"),
    ({"labels": np.full((G, T), 2.0)}, "label 2 is not 0, 1 or NaN"),
  ],
)
def test_bad_input(change, message):
  labels, a, b = _case("rocauc")
  good = {"metric": "ap", "labels": labels, "logits_a": a, "logits_b": b}
  with pytest.raises(ValueError, match=message):
    bootstrap.compare(**{**good, **change})
