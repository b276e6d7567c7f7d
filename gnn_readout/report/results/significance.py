"""Sentences about the difference of two results, by one rule.

Two means differ if they are more than two pooled deviations apart: more than
twice what the runs of one configuration scatter. Where no configuration has two
runs nothing is said about noise.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from gnn_readout.records import LOWER_IS_BETTER, METRIC_NAMES

_RULE = 2  # Pooled deviations.
RULE = (
  "Two results are said to differ if their means are more than two pooled"
  " deviations of their seeds apart."
)
VERDICTS = {1: "ahead", 0: "within noise", -1: "behind"}


class Result(NamedTuple):
  """What is compared.

  Attributes:
    name: What a sentence calls it.
    values: One score for each seed.
  """

  name: str
  values: Sequence[float]


def verdict(
  first: Result, second: Result, metric: str, deviation: float | None
) -> int | None:
  """Returns 1 if `first` is ahead, -1 if behind, 0 within noise.

  Args:
    first: What is compared.
    second: What it is compared with.
    metric: Such as 'rocauc'; of 'rmse' and 'mae' the lower is the better.
    deviation: The pooled deviation; if it is None, so is the verdict.
  """
  if deviation is None:
    return None
  gap = _gap(first, second, metric)
  return 0 if abs(gap) <= _RULE * deviation else int(math.copysign(1, gap))


def difference(
  first: Result, second: Result, metric: str, deviation: float | None
) -> str:
  """Returns a clause that says how `first` compares with `second`.

  Args:
    first: Named first, whether it is ahead or behind.
    second: What it is compared with.
    metric: As `verdict` takes it.
    deviation: Likewise.
  """
  gap = _gap(first, second, metric)
  size = f"{100 * abs(gap):.1f} points"
  if metric in LOWER_IS_BETTER:
    size = f"{abs(gap):.3g} {METRIC_NAMES[metric]}"
  if verdict(first, second, metric, deviation) == 0:
    return (
      f"the difference between {first.name} and {second.name}, {size}, is"
      " within noise"
    )
  text = f"{first.name} is {'ahead of' if gap > 0 else 'behind'} {second.name}"
  if deviation is None:
    return f"{text} by {size}, with one seed each, which may be noise"
  return f"{text} by {size}, more than two pooled deviations"


def _gap(first: Result, second: Result, metric: str) -> float:
  """How much better `first` is."""
  gap = statistics.fmean(first.values) - statistics.fmean(second.values)
  return -gap if metric in LOWER_IS_BETTER else gap
