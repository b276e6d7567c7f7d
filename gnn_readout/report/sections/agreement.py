"""Whether tasks rank the readouts alike, by the rank correlation of scores."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from gnn_readout.records import Record, field
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import molecules, selection, tasks
from gnn_readout.report.results.selection import Selection
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import LEVEL

_FEWEST = 5  # Readouts that two tasks have in common.


class Ranking(NamedTuple):
  """How good the readouts are at a task.

  Attributes:
    title: What they were trained on.
    scores: Mean test score of each readout; a higher one is better.
    is_sets: Whether the task is one of sets, not of molecules.
  """

  title: str
  scores: Mapping[str, float]
  is_sets: bool


class Agreement(NamedTuple):
  """Spearman's rank correlation of two rankings.

  Attributes:
    first: One of them.
    second: The other.
    number: Readouts that they have in common.
    correlation: From -1 to 1.
    p: The p value of no correlation, with Holm's correction for all pairs.
  """

  first: Ranking
  second: Ranking
  number: int
  correlation: float
  p: float


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of how well the rankings of readouts agree."""
  found = agreements(rankings(records))
  if not found:
    return []
  return [
    "The readouts that ran on two tasks are ranked by their mean test scores on"
    " each. Their agreement is Spearman's rank correlation: one if"
    " they are the same, zero if they are unrelated. Only pairs of tasks with"
    f" {_FEWEST} readouts in common or more are compared; p is that of no"
    " correlation, after Holm's correction.",
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


def rankings(records: Sequence[Record]) -> list[Ranking]:
  """Returns the tasks on which enough readouts ran, each with their scores."""
  groups: dict[tuple[str, bool], list[Selection]] = {}
  for task, title in _SET_TASKS.items():
    for row in tasks.rows(records, task):
      if setting := title(row):
        groups.setdefault((setting, True), []).append(row)
  runs = [run for run in molecules.runs(records) if molecules.is_scored(run)]
  for row in selection.select(runs):
    groups.setdefault((molecules.setting(row.record), False), []).append(row)
  found = []
  for (title, is_sets), rows in groups.items():
    scores: dict[str, float] = {}
    for row in rows:
      sign = -1 if row.record["lower_is_better"] else 1
      name = field(row.record, "model.readout.name")
      score = sign * statistics.fmean(row.tests)
      scores[name] = max(score, scores.get(name, score))
    if len(scores) >= _FEWEST:
      found.append(Ranking(title, scores, is_sets))
  return sorted(found, key=lambda x: (not x.is_sets, x.title))


def agreements(found: Sequence[Ranking]) -> list[Agreement]:
  """Compares all pairs of rankings that have enough readouts in common.

  Args:
    found: From `rankings`.
  """
  pairs = []
  for first, second in itertools.combinations(found, 2):
    common = sorted(first.scores.keys() & second.scores.keys())
    both = [[x.scores[name] for name in common] for x in (first, second)]
    if len(common) >= _FEWEST and np.ptp(both, axis=1).all():
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


def _counting(row: Selection) -> str:
  if "readout" not in row.record["config"]["model"]:
    return ""
  side, noise = (field(row.record, name) for name in ("side", "noise"))
  return f"counting, side {side:g}, noise {noise:g}"


def _digits(row: Selection) -> str:
  noise = field(row.record, "noise")
  return f"digits as sets, noise {noise:g}, {row.record['steps']:,} steps"


def _polygons(row: Selection) -> str:
  model = row.record["config"]["model"]
  is_plain = field(row.record, "loss_of_all_steps") is not False
  if model["decoder"] != "dspn" or not is_plain or model["test_num_steps"]:
    return ""
  if field(row.record, "data") != "polygons":
    return ""
  points, given = (field(row.record, x) for x in ("num_points", "input"))
  return f"polygons of {points} points by DSPN from the {given}"


# Title of a row's setting by task; '' for rows that are no readout's.
_SET_TASKS = {
  "counting": _counting,
  "mnist_sets": _digits,
  "set_prediction": _polygons,
}
