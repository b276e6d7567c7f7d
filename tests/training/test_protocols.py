"""Each protocol selects what its paper says."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.training.protocols import PROTOCOLS

P, K, E = 3, 5, 7  # Points of the grid, folds, epochs.


@pytest.fixture
def scores():
  rng = np.random.default_rng(0)
  return rng.random((P, K, E)), rng.random((P, K, E))


def test_fspool2019_takes_the_best_mean_validation(scores):
  valid, test = scores
  choice = PROTOCOLS["fspool2019"].select(valid, test, 1)
  best = max((valid[p, :, e].mean(), p, e) for p in range(P) for e in range(E))
  assert choice.valid == best[0]
  assert choice.points == [best[1]] * K
  assert choice.epochs == [best[2] + 1] * K
  assert choice.tests == test[best[1], :, best[2]].tolist()


def test_gin2019_takes_the_best_mean_test(scores):
  valid, test = scores
  choice = PROTOCOLS["gin2019"].select(valid, test, 1)
  assert np.mean(choice.tests) == test.mean(axis=1).max()
  assert PROTOCOLS["gin2019"].selected_on == "test"
  honest = PROTOCOLS["fspool2019"].select(valid, test, 1)
  assert np.mean(honest.tests) < np.mean(choice.tests)


def test_errica2020_chooses_in_every_fold(scores):
  valid, test = scores
  valid[1, 2, 4:] = np.nan  # It stopped early.
  choice = PROTOCOLS["errica2020"].select(valid, test, 1)
  for k in range(K):
    best = np.unravel_index(np.nanargmax(valid[:, k]), (P, E))
    assert (choice.points[k], choice.epochs[k] - 1) == best
    assert choice.tests[k] == test[best[0], k, best[1]]


@pytest.mark.parametrize("sign", [1, -1])
def test_errica2020_takes_the_last_of_scores_that_tie(sign):
  """As a literal loop that keeps what is at least as good, their program's."""
  rng = np.random.default_rng(3)
  valid = rng.integers(0, 3, (P, K, E)) / 10
  valid[0, :, 3:] = np.nan
  test = rng.random((P, K, E))
  choice = PROTOCOLS["errica2020"].select(valid, test, sign)
  ties = 0
  for k in range(K):
    best = -np.inf
    for p in range(P):
      for e in range(E):
        if sign * valid[p, k, e] >= best:
          ties += sign * valid[p, k, e] == best
          best, found = sign * valid[p, k, e], (p, e)
    assert (choice.points[k], choice.epochs[k] - 1) == found
    assert choice.tests[k] == test[found[0], k, found[1]]
  assert ties


def test_where_lower_is_better_the_lowest_is_chosen(scores):
  valid, test = scores
  for name in ("fspool2019", "errica2020"):
    choice = PROTOCOLS[name].select(valid, test, -1)
    assert choice.valid < valid.mean()
