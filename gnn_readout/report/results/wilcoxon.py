"""Two cross-validations, fold by fold, by Wilcoxon's signed-rank test."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from gnn_readout.records import LOWER_IS_BETTER, Record
from gnn_readout.statistics.wilcoxon import signed_rank


class Paired(NamedTuple):
  """Two readouts on the same folds.

  Attributes:
    repeats: How many sets of folds both were run on.
    of: How many there are at most, of the readout with fewer.
    wins: Folds on which the second is better.
    ties: Folds on which they are level.
    losses: Folds on which the first is better.
    difference: How much better the second is on average, None without common
      folds.
    p: Of all these folds. Those of two repeats test the same graphs, so that
      it is too small when there are several.
    p_repeat: Median over the repeats of the p of one repeat, whose folds have
      no graph in common. With one repeat it is `p`.
  """

  repeats: int
  of: int
  wins: int = 0
  ties: int = 0
  losses: int = 0
  difference: float | None = None
  p: float | None = None
  p_repeat: float | None = None


def compare(first: Record, second: Record) -> Paired:
  """Compares two cross-validations, fold by fold of the same splits.

  Args:
    first: A record of a cross-validation.
    second: Another, of the same dataset.
  """
  both = list(zip(first["repeats"], second["repeats"], strict=False))
  sign = -1 if first["test"]["metric"] in LOWER_IS_BETTER else 1
  differences = [
    [
      round(sign * (y - x), 9)
      for x, y in zip(a["tests"], b["tests"], strict=True)
    ]
    for a, b in both
    if a["folds_hash"] == b["folds_hash"]
  ]
  if not differences:
    return Paired(0, len(both))
  flat = [d for row in differences for d in row]
  return Paired(
    repeats=len(differences),
    of=len(both),
    wins=sum(d > 0 for d in flat),
    ties=sum(d == 0 for d in flat),
    losses=sum(d < 0 for d in flat),
    difference=statistics.fmean(flat),
    p=signed_rank(flat),
    p_repeat=statistics.median(signed_rank(row) for row in differences),
  )
