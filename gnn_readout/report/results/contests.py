"""Settings in which many readouts ran, on sets and on molecules."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gnn_readout.records import Record, field
from gnn_readout.report.results import molecules, selection, tasks
from gnn_readout.report.results.selection import Selection

FEWEST = 5  # Readouts, fewer are no contest.


class Contest(NamedTuple):
  """A setting in which nothing but the readout differs.

  Attributes:
    title: What the readouts were trained on.
    rows: The runs of each readout, by name; of several rows the one with the
      best validation score.
    is_sets: Whether the task is one of sets, not of molecules.
  """

  title: str
  rows: Mapping[str, Selection]
  is_sets: bool


def find(records: Sequence[Record]) -> list[Contest]:
  """Returns the settings in which enough readouts ran, those of sets first."""
  groups: dict[tuple, dict[str, Selection]] = {}

  def enter(title: str, row: Selection, is_sets: bool) -> None:
    # Sweeps of one readout may have batches and lengths of their own.
    alike = (field(row.record, name) for name in ("batch_size", "num_steps"))
    key = title, is_sets, *alike
    name = field(row.record, "model.readout.name")
    best = groups.setdefault(key, {}).get(name)
    if best is None or row.rank < best.rank:
      groups[key][name] = row

  for task, title in _SET_TASKS.items():
    for row in tasks.rows(records, task):
      if setting := title(row):
        enter(setting, row, True)
  runs = [run for run in molecules.runs(records) if molecules.is_scored(run)]
  for row in selection.select(runs):
    enter(molecules.setting(row.record), row, False)
  found = [
    Contest(title, rows, is_sets)
    for (title, is_sets, *_), rows in groups.items()
    if len(rows) >= FEWEST
  ]
  return sorted(found, key=lambda x: (not x.is_sets, x.title))


def score(row: Selection) -> float:
  """Returns the mean test score, negative if lower is better."""
  return statistics.fmean(row.merits)


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
