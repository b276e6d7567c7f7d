"""Sets in, a number or a class out: counting squares, and digits as sets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from gnn_readout.records import Record, field
from gnn_readout.report.blocks import Block, Figure
from gnn_readout.report.figures import sets as figures
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, rows
from gnn_readout.report.sections import set_rows
from gnn_readout.wording import counted

_PUBLISHED_DIGITS = 60_000  # Of an epoch.
_GUESS = 0.1  # Accuracy of one class for all digits.
_FEWEST = 3  # Points of a line, or settings of a figure of functions.


def counting(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the counting module and the readouts beside it."""
  found = set_rows.ordered(rows(records, "counting"))
  if not found:
    return []
  fields = {"side": "side", "noise": "noise"}
  lines = {
    (varied, value): by_name
    for varied, other in (("side", "noise"), ("noise", "side"))
    for value, by_name in _lines(found, varied, other)
  }
  drawn: list[Block] = []
  if lines:
    panels = [
      figures.Panel(
        f"{'noise' if varied == 'side' else 'side'} {value:g}", varied, line
      )
      for (varied, value), line in lines.items()
    ]
    drawn.append(
      Figure(
        "counting_panels",
        "Accuracy against the side of the squares and against the noise (Figure"
        " 3.6 of the thesis)",
        figures.panels(panels, "test accuracy"),
      )
    )
  # The runs of `more_steps` have smaller batches, and a section of their own.
  usual = statistics.mode(field(row.record, "batch_size") for row in found)
  alike = [row for row in found if field(row.record, "batch_size") == usual]
  groups = set_rows.by_setting(alike, ("side", "noise"))
  most = max(groups, key=lambda setting: len(groups[setting]))
  size = field(found[0].record, "set_size")
  return [
    f"The task is to tell how many of {size} overlapping squares are objects."
    " The counting module, the sum of the scores and several readouts are"
    f" compared; guessing is right with probability {1 / (size + 1):.2g}."
    f" {set_rows.HOW.format(task='counting')} The table has those at {most}.",
    *set_rows.leader(most, groups[most], "counts"),
    *_module(found),
    *drawn,
    *_functions(found),
    *set_rows.ranking(groups, "counting"),
    *set_rows.table(
      found,
      "counting",
      fields,
      shown=lambda row: any(row is x for x in groups[most]),
    ),
  ]


def mnist_sets(records: Sequence[Record]) -> list[Block]:
  """Makes the section of digits as sets of points."""
  found = set_rows.ordered(rows(records, "mnist_sets"))
  if not found:
    return []
  groups = set_rows.by_setting(found, ("noise", "dataset", "num_steps"))
  most = max(groups, key=lambda setting: len(groups[setting]))
  return [
    "The task is to tell which digit a set of points shows. The published"
    " numbers are accuracies of models trained from scratch on"
    f" {_PUBLISHED_DIGITS:,} digits for as many epochs (Zhang 2020)."
    f" {set_rows.HOW.format(task='mnist_sets')}",
    *set_rows.leader(most, groups[most], "classifies"),
    *_stuck(groups[most]),
    *set_rows.ranking(groups, "mnist_sets"),
    *set_rows.table(
      found, "mnist_sets", {"noise": "noise"}, extra=_beside_digits
    ),
  ]


def _stuck(found: Sequence[Selection]) -> list[str]:
  """Returns how many runs never learned, if any did not."""
  stuck = [x for x in map(_num_stuck, found) if x]
  if not stuck:
    return []
  runs = sum(len(row.tests) for row in found)
  return [
    f"{sum(stuck)} of {counted(runs, 'run')}, of {len(stuck)} of"
    f" {counted(len(found), 'readout')}, never left the accuracy of"
    f" {_GUESS:.0%} that one class for all digits has: the networks are narrow,"
    " and rectified units that are zero for every input stay so. They count in"
    " the means; the column `at chance` has their number."
  ]


def _num_stuck(row: Selection) -> int:
  return sum(math.isclose(x, _GUESS, abs_tol=1e-6) for x in row.tests)


def _beside_digits(row: Selection) -> dict[str, str]:
  seen = row.record["steps"] * field(row.record, "batch_size")
  epochs = round(seen / _PUBLISHED_DIGITS)
  noise = field(row.record, "noise")
  value = published.digit_accuracy(label(row), noise, epochs)
  return {
    "published": "" if value is None else f"{value:g}",
    "at chance": str(_num_stuck(row)),
  }


def _module(found: Sequence[Selection]) -> list[str]:
  """Returns where the module is ahead of the sum of the scores, if both ran."""
  means: dict[tuple, dict[str, float]] = {}
  for row in found:
    key = field(row.record, "side"), field(row.record, "noise")
    means.setdefault(key, {})[label(row)] = statistics.fmean(row.tests)
  gaps = {
    key: by_name["module"] - by_name["score_sum"]
    for key, by_name in means.items()
    if {"module", "score_sum"} <= by_name.keys()
  }
  if len(gaps) < 2:
    return []
  ahead = sum(gap > 0 for gap in gaps.values())
  texts = [
    f"by {100 * gaps[key]:+z.1f} points at side {key[0]:g} and noise {key[1]:g}"
    for key in (max(gaps, key=gaps.get), min(gaps, key=gaps.get))
  ]
  return [
    f"The module is more accurate than the sum of the scores in {ahead} of"
    f" {len(gaps)} settings, {texts[0]} at most and {texts[1]} at least."
  ]


def _lines(
  found: Sequence[Selection], varied: str, other: str
) -> list[tuple[float, Mapping[str, list[tuple[float, float]]]]]:
  """Returns lines of three points or more, by the value of the other field."""
  lines: dict[float, dict[str, list[tuple[float, float]]]] = {}
  for row in found:
    value, at = field(row.record, other), field(row.record, varied)
    points = lines.setdefault(value, {}).setdefault(label(row), [])
    points.append((at, statistics.fmean(row.tests)))
  kept = {
    value: {
      name: line for name, line in by_name.items() if len(line) >= _FEWEST
    }
    for value, by_name in lines.items()
  }
  return sorted((value, by_name) for value, by_name in kept.items() if by_name)


def _functions(found: Sequence[Selection]) -> list[Block]:
  """Draws the eight functions that the module learned (figures 3.7 to 3.9)."""
  drawn: list[Block] = []
  for varied, other in (("side", "noise"), ("noise", "side")):
    learned: dict[float, dict[float, Sequence[Sequence[float]]]] = {}
    for row in found:
      if functions := row.best["describe"].get("functions"):
        by_value = learned.setdefault(field(row.record, other), {})
        by_value[field(row.record, varied)] = functions
    for value, by_value in sorted(learned.items()):
      if len(by_value) >= _FEWEST:
        title = (
          f"What the module learned: its functions of the unit interval as the"
          f" {varied} goes from {min(by_value):g} (blue) to {max(by_value):g}"
          f" (orange), {other} {value:g} (Figure 3.7 to Figure 3.9 of the"
          " thesis)"
        )
        name = f"counting_functions_{varied}_{other}_{value:g}"
        data = figures.functions(by_value)
        drawn.append(Figure(name.replace(".", "_"), title, data))
  return drawn
