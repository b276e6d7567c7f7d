"""Wilcoxon's test against all signs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from gnn_readout.statistics.wilcoxon import MIN_PAIRS, signed_rank


def _by_enumeration(differences) -> float:
  """Two-sided p: how many of all signs give a sum of ranks as far off."""
  ranks = stats.rankdata(np.abs(differences))
  middle = ranks.sum() / 2
  actual = abs(ranks[np.array(differences) > 0].sum() - middle)
  signs = itertools.product([0, 1], repeat=len(ranks))
  far = [abs(np.dot(s, ranks) - middle) >= actual - 1e-9 for s in signs]
  return float(np.mean(far))


def test_signed_rank_is_exact():
  differences = [0.013, -0.021, 0.034, 0.055, 0.089, -0.002, 0.144]
  expected = _by_enumeration(differences)
  assert signed_rank(differences) == pytest.approx(expected)
  # Zeros say nothing, and what is equal but for rounding is a tie.
  assert signed_rank([0.1 + 0.2 - 0.3, 0.0]) == 1


def test_five_pairs_are_too_few_and_six_are_not():
  few = [0.01 * n for n in range(1, MIN_PAIRS)]
  assert signed_rank(few) > 0.05
  assert signed_rank([*few, 0.2]) < 0.05


@pytest.mark.parametrize("count", [MIN_PAIRS, 9])
def test_level_by_all_signs(count):
  """Where nothing differs all signs of the ranks are equally likely.

  As few pairs as there may be, and nine, as the thesis has datasets. Few
  outcomes are possible, and the level is the largest below 5% that is.
  """
  signs = itertools.product([-1, 1], repeat=count)
  ranks = np.arange(1, count + 1)
  wrong = np.mean([signed_rank(list(s * ranks)) < 0.05 for s in signs])
  assert wrong == pytest.approx(_largest_level(count))
  assert 0.03 < wrong <= 0.05


def test_level_over_independent_pairs():
  """Of many pairs, whose differences are normal, by simulation."""
  rng = np.random.default_rng(0)
  samples = rng.normal(size=(1000, 15))
  wrong = np.mean([signed_rank(list(row)) < 0.05 for row in samples])
  assert wrong == pytest.approx(_largest_level(15), abs=0.01)
  assert 0.04 < wrong < 0.06


def _largest_level(count) -> float:
  """The largest p below 0.05 that the exact test of `count` pairs can have."""
  sums = np.ones(1)
  for rank in range(1, count + 1):
    shifted = np.concatenate([np.zeros(rank), sums])
    sums = np.concatenate([sums, np.zeros(rank)]) + shifted
  p = 2 * np.cumsum(sums) / 2**count
  return float(p[p < 0.05].max())
