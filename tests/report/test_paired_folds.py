"""Wilcoxon's test against all signs, and against what the thesis reports."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gnn_readout.report.results import published as paper
from gnn_readout.report.results import wilcoxon as paired


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
  assert paired.signed_rank(differences) == pytest.approx(expected)
  # Zeros say nothing, and what is equal but for rounding is a tie.
  assert paired.signed_rank([0.1 + 0.2 - 0.3, 0.0]) == 1


def test_five_pairs_are_too_few_and_six_are_not():
  few = [0.01 * n for n in range(1, paired.MIN_PAIRS)]
  assert paired.signed_rank(few) > 0.05
  assert paired.signed_rank([*few, 0.2]) < 0.05


def test_the_thesis_own_tests_come_out_of_table_5_10():
  # Section 5.6.5: W = 7, p = 0.07 of accuracies, W = 9, p = 0.11 of epochs.
  pairs = [
    (paper.tu(name, "gin", "fspool"),
     paper.tu(name, "gin", paper.base_readout(name)))
    for name in paper.TU_DATASETS
  ]  # fmt: skip
  assert len(pairs) == 9
  accuracies = [round(a.accuracy - b.accuracy, 9) for a, b in pairs]
  assert sum(d > 0 for d in accuracies) == 6
  # As printed +0.6 (PROTEINS) and -0.6 (PTC) are level, and W = 6.5; theirs
  # comes from more digits.
  assert stats.wilcoxon(accuracies).statistic == 6.5
  nudged = [d - 1e-6 for d in accuracies]
  assert stats.wilcoxon(nudged).statistic == 7
  epochs = [a.epochs - b.epochs for a, b in pairs]
  assert stats.wilcoxon(epochs).statistic == 9
  # Their p is that of a normal distribution of W, ours is exact.
  for differences, w, p in ((nudged, 7, 0.07), (epochs, 9, 0.11)):
    away = (9 * 10 / 4 - w) / math.sqrt(9 * 10 * 19 / 24)
    assert math.erfc(away / math.sqrt(2)) == pytest.approx(p, abs=0.005)
    assert paired.signed_rank(differences) == pytest.approx(p, abs=0.015)


def test_folds_are_paired_where_the_splits_agree(crossval):
  first = [[0.5, 0.6, 0.7], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1]]
  second = [[0.6, 0.6, 0.9], [0.4, 0.7, 0.8], [0.9, 0.9, 0.9]]
  a = crossval(tests=first, hashes=["x", "y", "z"])
  b = crossval(readout="fspool", tests=second, hashes=["x", "y", "other"])
  found = paired.compare(a, b)
  assert (found.repeats, found.of) == (2, 3)
  assert (found.wins, found.ties, found.losses) == (4, 1, 1)
  assert found.difference == pytest.approx(0.7 / 6)
  flat = np.subtract(second, first)[:2].round(9)
  assert found.p == paired.signed_rank(flat.ravel())
  by_repeat = [paired.signed_rank(row) for row in flat]
  assert found.p_repeat == pytest.approx(np.median(by_repeat))
  a["test"]["metric"] = "mae"  # The lower the better.
  worse = paired.compare(a, b)
  assert (worse.wins, worse.losses) == (1, 4)
  assert worse.difference == -found.difference


def test_no_common_split(crossval):
  a, b = crossval(hashes=["x"]), crossval(readout="fspool", hashes=["y"])
  found = paired.compare(a, b)
  assert (found.repeats, found.of, found.difference) == (0, 1, None)
