"""Two cross-validations, fold by fold, by the corrected resampled t test."""

from __future__ import annotations

from typing import NamedTuple

from gnn_readout.records import LOWER_IS_BETTER, Record
from gnn_readout.statistics.t_tests import TTest, resampled


class Paired(NamedTuple):
  """Two readouts on the same folds.

  Attributes:
    repeats: How many sets of folds both were run on.
    of: How many there are at most, of the readout with fewer.
    wins: Folds on which the second is better.
    ties: Folds on which they are level.
    losses: Folds on which the first is better.
    test: How much better the second is, None with fewer than two common folds.
  """

  repeats: int
  of: int
  wins: int = 0
  ties: int = 0
  losses: int = 0
  test: TTest | None = None


def compare(first: Record, second: Record) -> Paired:
  """Compares two cross-validations, fold by fold of the same splits.

  Args:
    first: A record of a cross-validation.
    second: Another, of the same dataset.
  """
  both = list(zip(first["repeats"], second["repeats"], strict=False))
  common = [(a, b) for a, b in both if a["folds_hash"] == b["folds_hash"]]
  sign = -1 if first["test"]["metric"] in LOWER_IS_BETTER else 1
  # What is equal on paper differs in the last bit.
  differences = [
    round(sign * (y - x), 9)
    for a, b in common
    for x, y in zip(a["tests"], b["tests"], strict=True)
  ]
  folds = first["protocol"]["num_folds"]
  return Paired(
    repeats=len(common),
    of=len(both),
    wins=sum(d > 0 for d in differences),
    ties=sum(d == 0 for d in differences),
    losses=sum(d < 0 for d in differences),
    test=resampled(differences, 1 / max(folds - 1, 1)),
  )
