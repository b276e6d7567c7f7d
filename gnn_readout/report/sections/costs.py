"""What a readout costs and how well it scores: which to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gnn_readout.records import Record, metric_name
from gnn_readout.report.blocks import Block, Figure, Table
from gnn_readout.report.figures import costs as figures
from gnn_readout.report.results import contests
from gnn_readout.report.results.contests import Contest
from gnn_readout.report.sections import readouts, set_rows
from gnn_readout.statistics.t_tests import LEVEL

_FEWEST = 8  # Readouts that make a figure worth while.


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of costs and scores.

  Raises:
    ValueError: If the record of the costs lacks a field.
  """
  card = readouts.newest(records)
  if card is None:
    return []
  costs = readouts.costs(card)
  found = [
    contest
    for contest in contests.find(records)
    if len(contest.rows.keys() & costs.keys()) >= _FEWEST
  ]
  if not found:
    return []
  fronts = [front(contest, costs) for contest in found]
  return [
    "The cost of a readout is the time of its gradient by itself, relative to"
    " that of `sum`, at"
    f" {card['given']['graphs']} graphs of {card['given']['dataset']} and width"
    f" {card['given']['width']}. On the front are the readouts that no"
    " cheaper one beats; a difference between neighbours may be one of the"
    " seeds.",
    *(
      f"{_upper(contest.title)}: of {len(contest.rows)} readouts"
      f" {_listed(names)} {'are' if len(names) > 1 else 'is'} on the front."
      for contest, names in zip(found, fronts, strict=True)
    ),
    Figure(
      "cost_and_score",
      "Score against cost; the readouts on the front have their names, with"
      f" {1 - LEVEL:.0%} confidence intervals where several seeds ran, and the"
      " others are grey",
      figures.scattered(found, costs, fronts),
    ),
    *(
      Table(
        f"The front, {contest.title}",
        [_cells(contest, name, costs) for name in names],
      )
      for contest, names in zip(found, fronts, strict=True)
    ),
  ]


def front(contest: Contest, costs: Mapping[str, float]) -> list[str]:
  """Returns the readouts that no cheaper one beats, the cheapest first.

  Args:
    contest: A setting.
    costs: Cost of each readout; one without is left out.
  """
  names = sorted(
    contest.rows.keys() & costs.keys(),
    key=lambda name: (costs[name], -contests.score(contest.rows[name])),
  )
  found: list[str] = []
  for name in names:
    score = contests.score(contest.rows[name])
    if not found or score > contests.score(contest.rows[found[-1]]):
      found.append(name)
  return found


def _cells(
  contest: Contest, name: str, costs: Mapping[str, float]
) -> dict[str, str]:
  row = contest.rows[name]
  return {
    "readout": f"`{name}`",
    "cost": f"{costs[name]:.1f}",
    f"test {metric_name(row.metric)}": set_rows.with_interval(row.tests),
    "seeds": str(len(row.tests)),
  }


def _listed(names: Sequence[str]) -> str:
  quoted = [f"`{name}`" for name in names]
  if len(quoted) == 1:
    return quoted[0]
  return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _upper(text: str) -> str:
  return text[:1].upper() + text[1:]
