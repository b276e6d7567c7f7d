"""Whether tasks rank the readouts alike, by the rank correlation of scores."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from gnn_readout.records import Record
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import contests
from gnn_readout.report.results.contests import Contest
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import LEVEL


class Agreement(NamedTuple):
  """Spearman's rank correlation of the scores in two settings.

  Attributes:
    first: One of them.
    second: The other.
    number: Readouts that they have in common.
    correlation: From -1 to 1.
    p: The p value of no correlation, with Holm's correction for all pairs.
  """

  first: Contest
  second: Contest
  number: int
  correlation: float
  p: float


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of how well the rankings of readouts agree."""
  found = agreements(contests.find(records))
  if not found:
    return []
  return [
    "The readouts that ran on two tasks are ranked by their mean test scores on"
    " each. Their agreement is Spearman's rank correlation: one if"
    " they are the same, zero if they are unrelated. Only pairs of tasks with"
    f" {contests.FEWEST} readouts in common or more are compared; p is that of"
    " no correlation, after Holm's correction.",
    *_sentences(found),
    Table(
      "Rank correlations of readouts",
      [
        {
          "task": pair.first.title,
          "other task": pair.second.title,
          "readouts": str(pair.number),
          "rank correlation": f"{pair.correlation:+.2f}",
          "p": f"{pair.p:.2g}",
        }
        for pair in found
      ],
    ),
  ]


def agreements(found: Sequence[Contest]) -> list[Agreement]:
  """Compares all pairs of settings that have enough readouts in common.

  Args:
    found: From `contests.find`.
  """
  pairs = []
  for first, second in itertools.combinations(found, 2):
    common = sorted(first.rows.keys() & second.rows.keys())
    both = [
      [contests.score(x.rows[name]) for name in common] for x in (first, second)
    ]
    if len(common) >= contests.FEWEST and np.ptp(both, axis=1).all():
      correlation, p = stats.spearmanr(*both)
      pairs.append(
        Agreement(first, second, len(common), float(correlation), float(p))
      )
  corrected = holm.corrected([pair.p for pair in pairs])
  return [pair._replace(p=p) for pair, p in zip(pairs, corrected, strict=True)]


def _sentences(found: Sequence[Agreement]) -> list[str]:
  """Says for sets, and for sets against molecules, how many pairs agree."""
  texts = []
  for kind, are_molecules in (
    ("two tasks on sets", False),
    ("a task on sets and one on molecules", True),
  ):
    own = [
      pair
      for pair in found
      if pair.first.is_sets and pair.second.is_sets != are_molecules
    ]
    if not own:
      continue
    clear = [pair for pair in own if pair.p < LEVEL]
    middle = statistics.median(pair.correlation for pair in own)
    alike = sum(pair.correlation > 0 for pair in clear)
    texts.append(
      f"Between {kind} the rank correlation is {middle:+.2f}"
      + (f" in the median of {len(own)} pairs" if len(own) > 1 else "")
      + f": rankings agree significantly in {alike}"
      f" and contradict each other significantly in {len(clear) - alike}."
    )
  return texts
