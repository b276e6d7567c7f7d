"""Holm's correction, by its definition and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gnn_readout.statistics import holm, t_tests


def test_holm_rejects_one_after_the_other():
  values = [0.04, 0.01, 0.03, 0.005]
  assert holm.corrected(values) == pytest.approx([0.06, 0.03, 0.06, 0.02])
  assert holm.corrected([0.7, 0.6]) == [1, 1]
  assert holm.corrected([]) == []
  rng = np.random.default_rng(0)
  for level in (0.01, 0.05, 0.2):
    for _ in range(50):
      values = list(rng.random(5) ** 3)
      # Step by step, until one is not rejected.
      rejected = set()
      for step, k in enumerate(np.argsort(values)):
        if values[k] > level / (5 - step):
          break
        rejected.add(k)
      found = holm.corrected(values)
      assert {k for k in range(5) if found[k] <= level} == rejected


@pytest.mark.parametrize("count", [2, 3, 6])
def test_level_of_any_among_several(count):
  rng = np.random.default_rng(1)
  samples = rng.normal(size=(20_000, count, 2, 3))
  values = stats.ttest_ind(samples[:, :, 0], samples[:, :, 1], axis=2).pvalue
  wrong = [min(holm.corrected(list(row))) < 0.05 for row in values]
  assert 0.04 < np.mean(wrong) < 0.06


def test_missing_tests_do_not_count():
  tests = [t_tests.TTest(0.1, 0.0, 0.2, 4, p) for p in (0.01, 0.04)]
  got = holm.of_tests([tests[0], None, tests[1]])
  assert got == [pytest.approx(0.02), None, pytest.approx(0.04)]
  assert holm.of_tests([None]) == [None]
