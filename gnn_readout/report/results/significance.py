"""Sentences about the difference of two results, by one rule.

Two means differ if the t test of their seeds says so at 5%, after Holm's
correction for all comparisons that are made at once. Where a side has one seed
nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gnn_readout.records import LOWER_IS_BETTER, METRIC_NAMES
from gnn_readout.statistics import holm, t_tests
from gnn_readout.statistics.t_tests import LEVEL, TTest

RULE = (
  "Two results differ significantly if Student's t test of their seeds has p"
  f" < {LEVEL}, after Holm's correction where one sentence compares several."
  f" The {1 - LEVEL:.0%} confidence intervals are those of a single"
  " comparison, without that correction. Results with one seed are not"
  " compared."
)
VERDICTS = {
  1: "ahead",
  0: "not significant",
  -1: "behind",
  None: "not compared",
}


class Result(NamedTuple):
  """What is compared.

  Attributes:
    name: What a sentence calls it.
    values: One score for each seed.
  """

  name: str
  values: Sequence[float]


class Comparison(NamedTuple):
  """What is said of two results.

  Attributes:
    first: Named first, whether it is ahead or behind.
    second: What it is compared with.
    metric: Metric, such as 'rocauc'; of 'rmse' and 'mae' the lower is the
      better.
    test: How much better the first is; None if one of the two has one seed.
    p: Corrected for all comparisons that are made at once.
  """

  first: Result
  second: Result
  metric: str
  test: TTest | None
  p: float | None

  @property
  def verdict(self) -> int | None:
    """1 if `first` is ahead, -1 if behind, 0 not significant, None not said."""
    if self.test is None:
      return None
    if self.p >= LEVEL:
      return 0
    return int(math.copysign(1, self.test.difference))

  def clause(self) -> str:
    """Returns a clause that says how `first` compares with `second`."""
    names = f"{self.first.name} and {self.second.name}"
    if self.test is None:
      return f"{names} are not compared because one of them has a single seed"
    scale, unit, digits = 100, "points", ".1f"
    if self.metric in LOWER_IS_BETTER:
      scale, unit, digits = 1, METRIC_NAMES[self.metric], ".3g"
    gap, low, high = (scale * x for x in self.test[:3])
    if gap < 0:
      gap, low, high = -gap, -high, -low
    size = f"{gap:{digits}} {unit}"
    numbers = (
      f"[{low:{digits}}, {high:{digits}}], p = {self.p:.2g} with"
      f" {self.test.freedom:g} degrees of freedom"
    )
    if not self.verdict:
      return (
        f"the difference between {names}, {size} ({numbers}), is not"
        " significant"
      )
    side = "ahead of" if self.verdict > 0 else "behind"
    return (
      f"{self.first.name} is {side} {self.second.name} by {size} ({numbers})"
    )


def compare(
  pairs: Sequence[tuple[Result, Result]], metric: str
) -> list[Comparison]:
  """Compares the results of each pair, with a correction for their number.

  Args:
    pairs: What is compared at once.
    metric: Metric of all of them.
  """
  sign = -1 if metric in LOWER_IS_BETTER else 1
  tests = [
    t_tests.two_samples(*([sign * x for x in r.values] for r in pair))
    for pair in pairs
  ]
  p_values = holm.of_tests(tests)
  return [
    Comparison(*pair, metric, test, p)
    for pair, test, p in zip(pairs, tests, p_values, strict=True)
  ]
