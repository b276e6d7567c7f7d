"""The rule by which two results are said to differ."""

from __future__ import annotations

import pytest

from gnn_readout.report.results import significance
from gnn_readout.report.results.significance import Result


@pytest.mark.parametrize(
  ("second", "metric", "verdict", "text"),
  [
    (0.5, "ap", 1, "a is ahead of b by 20.0 points, more than two pooled"),
    (0.9, "ap", -1, "a is behind b by 20.0 points, more than two pooled"),
    (0.9, "rmse", 1, "a is ahead of b by 0.2 RMSE, more than two pooled"),
    (0.61, "ap", 0, "the difference between a and b, 9.0 points, is within"),
    (0.79, "mae", 0, "the difference between a and b, 0.09 MAE, is within"),
  ],
)
def test_the_rule(second, metric, verdict, text):
  compared = (Result("a", [0.6, 0.8]), Result("b", [second]), metric, 0.05)
  assert significance.verdict(*compared) == verdict
  assert significance.difference(*compared).startswith(text)


def test_one_seed_says_nothing_of_noise():
  compared = (Result("a", [0.7]), Result("b", [0.5]), "ap", None)
  assert significance.verdict(*compared) is None
  said = significance.difference(*compared)
  assert said.endswith("by 20.0 points, with one seed each, which may be noise")
