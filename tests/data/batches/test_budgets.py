"""Tests of budgets.py."""

import itertools

import numpy as np
import pytest

from gnn_readout.data.batches import budgets
from gnn_readout.data.batches.budgets import Budget


def _padded(totals, chosen):
  """Total relative size of padded batches: each in its first that fits."""
  means = np.maximum(totals[:, 1:].mean(0), 1)
  result = 0.0
  for _, nodes, edges in totals:
    fits = [b for b in chosen if nodes < b.num_nodes and edges <= b.num_edges]
    result += fits[0].num_nodes / means[0] + fits[0].num_edges / means[1]
  return result


def _totals(num, seed):
  rng = np.random.default_rng(seed)
  nodes = rng.gamma(3.0, 50.0, num).astype(np.int64)
  edges = (nodes * rng.uniform(1.8, 2.4, num)).astype(np.int64)
  return np.stack([np.full(num, 7), nodes, edges], axis=1)


def test_enclosing_adds_the_padding_and_rounds_up_to_8():
  assert budgets.enclosing(7, 1024, 2311) == Budget(8, 1032, 2312)
  assert budgets.enclosing(7, 7, 8) == Budget(8, 8, 8)
  assert budgets.enclosing(7, 8, 9) == Budget(8, 16, 16)
  assert budgets.enclosing(7, 0, 0) == Budget(8, 8, 8)


@pytest.mark.parametrize("num_buckets", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_choose_finds_the_best_cuts(num_buckets, seed):
  totals = _totals(13, seed)
  chosen = budgets.choose(totals, 7, num_buckets)
  means = totals[:, 1:].mean(0)
  ordered = totals[np.argsort((totals[:, 1:] / means).max(1))]
  # All ways to cut, the last one behind the largest batch.
  every = [
    _padded(
      totals,
      [budgets.enclosing(7, *ordered[: c + 1, 1:].max(0)) for c in (*cuts, 12)],
    )
    for k in range(num_buckets)
    for cuts in itertools.combinations(range(12), k)
  ]
  # A batch may fit a smaller budget than its cut's, so less is possible; and
  # a further budget is not added for less than 2%.
  assert _padded(totals, chosen) <= min(every) * 1.05


@pytest.mark.parametrize("num_buckets", [1, 2, 4, 6])
def test_choose_gives_few_ascending_budgets_that_hold_everything(num_buckets):
  totals = _totals(1009, 0)
  chosen = budgets.choose(totals, 7, num_buckets)
  assert len(chosen) <= num_buckets
  array = np.array(chosen)
  assert (array[:, 0] == 8).all()
  assert (array[:, 1:] % 8 == 0).all()
  assert (np.diff(array[:, 1:], axis=0) >= 0).all()
  assert (budgets.smallest(chosen, totals) < len(chosen)).all()


def test_more_buckets_waste_less():
  totals = _totals(1009, 0)
  waste = [_padded(totals, budgets.choose(totals, 7, k)) for k in (1, 2, 3, 4)]
  assert waste == sorted(waste, reverse=True)
  assert waste[3] < 0.6 * waste[0]


def test_equal_batches_need_one_budget():
  totals = np.tile([7, 100, 200], (11, 1))
  assert budgets.choose(totals, 7, 4) == (Budget(8, 104, 200),)


def test_batches_of_nothing():
  chosen = budgets.choose(np.array([[7, 0, 0]]), 7, 4)
  assert chosen == (Budget(8, 8, 8),)


def test_smallest_is_the_first_that_fits():
  chosen = (Budget(8, 16, 24), Budget(8, 32, 24), Budget(8, 64, 96))
  totals = [
    (7, 15, 24),
    (7, 16, 24),
    (7, 15, 25),
    (7, 0, 0),
    (7, 63, 96),
    (7, 64, 0),
    (7, 0, 97),
  ]
  got = budgets.smallest(chosen, np.array(totals))
  np.testing.assert_array_equal(got, [0, 1, 2, 0, 2, 3, 3])


def test_rounded_budgets_are_few_and_large_enough():
  rounded = [
    budgets.rounded(budgets.Budget(3, n, 2 * n), 4) for n in range(1, 400)
  ]
  for n, budget in enumerate(rounded, start=1):
    assert n <= budget.num_nodes <= max(n + 1, 1.13 * n)
    assert budget.num_graphs == 3
  assert len(set(rounded)) < 60
