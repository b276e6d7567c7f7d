"""The t tests against scipy, and their levels by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gnn_readout.statistics import t_tests


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (2, 5), (10, 4)])
def test_two_samples_is_that_of_scipy(sizes, equal):
  rng = np.random.default_rng(0)
  first, second = (s * rng.normal(size=n) for s, n in zip((1, 3), sizes))
  found = t_tests.two_samples(list(first), list(second), equal)
  expected = stats.ttest_ind(first, second, equal_var=equal)
  low, high = expected.confidence_interval(0.95)
  assert found == pytest.approx(
    (first.mean() - second.mean(), low, high, expected.df, expected.pvalue)
  )


def test_too_few_values_and_none_that_differ():
  assert t_tests.two_samples([0.5], [0.1, 0.2]) is None
  assert t_tests.two_samples([0.5, 0.6], [0.1]) is None
  assert t_tests.resampled([0.1], 1 / 9) is None
  for equal in (True, False):
    apart = t_tests.two_samples([0.75, 0.75], [0.5, 0.5], equal)
    assert apart == (0.25, 0.25, 0.25, 2, 0)
    assert t_tests.two_samples([0.5, 0.5], [0.5, 0.5], equal).p == 1
  assert t_tests.resampled([0.0, 0.0, 0.0], 1 / 2).p == 1


def test_without_common_training_resampled_is_that_of_one_sample():
  differences = [0.1, -0.2, 0.3, 0.25, 0.0]
  plain = stats.ttest_1samp(differences, 0)
  low, high = plain.confidence_interval(0.95)
  assert t_tests.resampled(differences, 0) == pytest.approx(
    (0.09, low, high, 4, plain.pvalue)
  )
  # The standard error grows by sqrt(1 + J n_test / n_train).
  t = plain.statistic / np.sqrt(1 + 5 / 4)
  found = t_tests.resampled(differences, 1 / 4)
  assert found.p == pytest.approx(2 * stats.t.sf(t, 4))


# A share of 5% of them has a standard deviation of 0.3%.
_DRAWS = 5000


def _share_called_different(sizes, deviations, equal) -> float:
  rng = np.random.default_rng(1)
  wrong = 0
  for _ in range(_DRAWS):
    first, second = (
      list(s * rng.standard_normal(n)) for s, n in zip(deviations, sizes)
    )
    wrong += t_tests.two_samples(first, second, equal).p < t_tests.LEVEL
  return wrong / _DRAWS


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (3, 2), (3, 5), (10, 10)])
def test_level_of_the_test_of_seeds(sizes):
  assert 0.04 < _share_called_different(sizes, (1, 1), True) < 0.06


@pytest.mark.parametrize(
  ("sizes", "deviations", "level"),
  [
    ((3, 3), (1, 1), 0.0355),
    ((2, 2), (1, 1), 0.024),
    ((3, 3), (1, 3), 0.052),
    ((10, 10), (1, 1), 0.05),
    ((10, 10), (1, 3), 0.05),
  ],
)
def test_level_of_welchs_test(sizes, deviations, level):
  found = _share_called_different(sizes, deviations, False)
  assert found == pytest.approx(level, abs=0.007)


def _exchangeable_learners(
  rng, num_datasets, num_graphs, width, num_folds, repeats, signal
) -> np.ndarray:
  """Accuracies of two learners in cross-validations, their differences.

  Each learner is a linear classifier by least squares. It sees features of its
  own, x = signal y + noise, drawn alike for both: neither is the better one.

  Returns:
    [num_datasets, repeats x num_folds].
  """
  y = np.where(rng.random((num_datasets, num_graphs)) < 0.5, 1.0, -1.0)
  shape = (num_datasets, num_graphs, width)
  ones = np.ones((num_datasets, num_graphs, 1))
  features = [
    np.concatenate([signal * y[..., None] + rng.normal(size=shape), ones], -1)
    for _ in range(2)
  ]
  result = []
  for _ in range(repeats):
    order = rng.permutation(num_graphs)
    for test in np.array_split(order, num_folds):
      train = np.setdiff1d(order, test)
      correct = []
      for x in features:
        a = x[:, train].transpose(0, 2, 1)
        gram = a @ x[:, train] + 0.1 * np.eye(width + 1)
        weights = np.linalg.solve(gram, a @ y[:, train, None])
        right = (x[:, test] @ weights)[..., 0] * y[:, test] > 0
        correct.append(right.mean(axis=1))
      result.append(correct[0] - correct[1])
  return np.stack(result, axis=1).round(9)


@pytest.mark.parametrize(
  ("num_graphs", "width", "repeats", "signal", "uncorrected"),
  [(100, 2, 1, 0.1, 0.13), (60, 3, 3, 0.3, 0.27)],
)
def test_level_of_the_test_of_folds(
  num_graphs, width, repeats, signal, uncorrected
):
  """Of two exchangeable learners, in one and in several cross-validations."""
  differences = _exchangeable_learners(
    np.random.default_rng(2), 2000, num_graphs, width, 10, repeats, signal
  )

  def level(tested_per_trained):
    found = [
      t_tests.resampled(list(d), tested_per_trained) for d in differences
    ]
    return np.mean([test.p < t_tests.LEVEL for test in found])

  assert 0.04 < level(1 / 9) < 0.06
  # As if the folds were independent.
  assert level(0) == pytest.approx(uncorrected, abs=0.04)
