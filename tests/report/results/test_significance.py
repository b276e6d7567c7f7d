"""The rule by which two results differ significantly."""

from __future__ import annotations

import pytest

from gnn_readout.report.results import significance
from gnn_readout.report.results.significance import Result

FIRST = Result("a", [0.6, 0.7, 0.8])


@pytest.mark.parametrize(
  ("second", "metric", "verdict", "text"),
  [
    (0.3, "ap", 1, "a is ahead of b by 40.0 points ([17.3, 62.7], p = 0.008 "),
    (1.1, "ap", -1, "a is behind b by 40.0 points ([17.3, 62.7], p = 0.008 "),
    (1.1, "rmse", 1, "a is ahead of b by 0.4 RMSE ([0.173, 0.627], p ="),
    (0.3, "mae", -1, "a is behind b by 0.4 MAE ([0.173, 0.627], p ="),
    (0.6, "ap", 0, "the difference between a and b, 10.0 points ([-12.7, 32"),
  ],
)
def test_the_rule(second, metric, verdict, text):
  other = Result("b", [second - 0.1, second, second + 0.1])
  (found,) = significance.compare([(FIRST, other)], metric)
  assert found.verdict == verdict
  assert found.clause().startswith(text)
  assert "with 4 degrees of freedom" in found.clause()


def test_one_seed_says_nothing():
  pairs = [(FIRST, Result("b", [0.1])), (FIRST, Result("c", [0.2, 0.3, 0.4]))]
  single, several = significance.compare(pairs, "ap")
  assert single.verdict is None
  assert single.clause() == (
    "a and b are not compared because one of them has a single seed"
  )
  # What is not compared does not count among the comparisons.
  assert [several] == significance.compare(pairs[1:], "ap")


def test_several_comparisons_are_corrected():
  other = Result("b", [0.4, 0.45, 0.5])  # p = 0.018.
  (alone,) = significance.compare([(FIRST, other)], "ap")
  three = significance.compare([(FIRST, other)] * 3, "ap")
  assert alone.verdict == 1
  assert [c.p for c in three] == pytest.approx([3 * alone.p] * 3)
  assert {c.verdict for c in three} == {0}
