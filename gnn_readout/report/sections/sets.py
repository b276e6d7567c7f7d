"""The tasks on sets of Zhang's thesis: counting, digits, decoding, sorting."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from gnn_readout.records import Record, field
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, File, Table
from gnn_readout.report.figures import sets as figures
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, rows
from gnn_readout.statistics.t_tests import LEVEL, half_width

_PUBLISHED_DIGITS = 60_000  # Of an epoch.
_LONG = ("note", "command")  # Too long for a table to look at.
_HOW = (
  "Each row uses the learning rate with the best mean validation score, and"
  " gives the mean and, for several seeds, half the width of Student's"
  f" {1 - LEVEL:.0%} confidence interval."
  " The command of every row is in [{task}.csv]({task}.csv)."
)


def counting(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the counting module and the readouts beside it."""
  found = _ordered(rows(records, "counting"))
  if not found:
    return []
  fields = {"side": "side", "noise": "noise"}
  panels = [
    figures.Panel(f"{other} {value:g}", varied, lines)
    for varied, other in (("side", "noise"), ("noise", "side"))
    for value, lines in _lines(found, varied, other)
  ]
  drawn = []
  if panels:
    drawn.append(
      Figure(
        "counting_panels",
        "Accuracy against the side of the squares and against the noise",
        figures.panels(panels, "test accuracy"),
      )
    )
  return [
    "The task is to tell how many of ten overlapping squares are objects. The"
    " counting module, the sum of the scores and several readouts are"
    f" compared; guessing is right with probability {1 / 11:.2g}."
    f" {_HOW.format(task='counting')}",
    *drawn,
    *_ranking(found, "counting", ("side", "noise")),
    *_table(found, "counting", fields),
  ]


def mnist_sets(records: Sequence[Record]) -> list[Block]:
  """Makes the section of digits as sets of points."""
  found = _ordered(rows(records, "mnist_sets"))
  return found and [
    "The task is to tell which digit a set of points shows. The published"
    " numbers are accuracies of models trained from scratch on"
    f" {_PUBLISHED_DIGITS:,} digits for as many epochs (Zhang 2020)."
    f" {_HOW.format(task='mnist_sets')}",
    *_ranking(found, "mnist_sets", ("noise", "dataset")),
    *_table(found, "mnist_sets", {"noise": "noise"}),
  ]


def set_prediction(records: Sequence[Record]) -> list[Block]:
  """Makes the section of sets that are decoded from vectors."""
  found = _ordered(rows(records, "set_prediction"))
  fields = {
    "data": "data",
    "n": "num_points",
    "input": "input",
    "decoder": "model.decoder",
    "steps": "model.num_steps",
    "test steps": "model.test_num_steps",
  }
  return found and [
    "Sets are decoded from a vector by DSPN, whose encoder pools with the"
    " readout, by an MLP or by an LSTM. The test score is a squared loss;"
    f" `set_loss` uses Huber's function. {_HOW.format(task='set_prediction')}",
    *_table(found, "set_prediction", fields),
  ]


def sorting(records: Sequence[Record]) -> list[Block]:
  """Makes the section of numbers sorted by a learned order."""
  found = sorted(
    rows(records, "sorting"), key=lambda row: (label(row), _sizes(row))
  )
  fields = {"N": "set_size", "test N": "test_set_size"}
  return found and [
    "Share of the sets that are sorted without a mistake, by interval of the"
    " numbers, decoded by the Hungarian method on -P as published and on -log"
    " P. The published PO-U makes no mistake on any interval."
    f" {_HOW.format(task='sorting')}",
    *_table(found, "sorting", fields),
  ]


def _sizes(row: Selection) -> tuple[int, int]:
  size = field(row.record, "set_size")
  return field(row.record, "test_set_size") or size, size


def _ordered(found: Sequence[Selection]) -> list[Selection]:
  """Returns rows with the best test score first."""
  return sorted(
    found,
    key=lambda row: (
      statistics.fmean(row.tests) * (row.record["lower_is_better"] * 2 - 1)
    ),
  )


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
    value: {name: line for name, line in by_name.items() if len(line) > 2}
    for value, by_name in lines.items()
  }
  return sorted((value, by_name) for value, by_name in kept.items() if by_name)


def _ranking(
  found: Sequence[Selection], task: str, fields: Sequence[str]
) -> list[Block]:
  """Draws the setting with most rows, if it has several."""
  groups: dict[tuple, dict[str, Selection]] = {}
  for row in found:
    key = tuple(field(row.record, name) for name in fields)
    groups.setdefault(key, {}).setdefault(label(row), row)
  key, most = max(groups.items(), key=lambda item: len(item[1]))
  if len(most) < 3:
    return []
  setting = ", ".join(f"{n} {v}" for n, v in zip(fields, key, strict=True))
  title = (
    f"Test scores by readout, {setting}; bars are {1 - LEVEL:.0%} confidence"
    " intervals"
  )
  drawn = figures.ranked(list(most.values()), label)
  return [Figure(f"{task}_ranking", title, drawn)]


def _table(
  found: Sequence[Selection], task: str, fields: Mapping[str, str]
) -> list[Block]:
  """The table, and the file of all columns."""
  cells = [_display(row, task, fields) for row in found]
  titles = list(dict.fromkeys(title for row in cells for title in row))
  cells = [{title: row.get(title, "") for title in titles} for row in cells]
  short = [{k: v for k, v in row.items() if k not in _LONG} for row in cells]
  notes = sorted({row["note"] for row in cells if row["note"]})
  return [
    Table("Scores", short),
    *(f"Reduced settings: {note}." for note in notes),
    File(f"{task}.csv", markup.csv_table(cells)),
  ]


def _display(
  row: Selection, task: str, fields: Mapping[str, str]
) -> dict[str, str]:
  """Returns what a reader sees of a row, by column title."""
  test = row.best["test"]
  half = half_width(row.tests)
  shown = f"{statistics.fmean(row.tests):.3g}"
  cells = {"model": label(row)}
  for title, name in fields.items():
    value = field(row.record, name)
    cells[title] = "" if value is None else f"{value}"
  cells[f"test {row.metric}"] = shown + (f" ± {half:.2g}" if half else "")
  if task == "mnist_sets":
    noise = field(row.record, "noise")
    seen = row.record["steps"] * field(row.record, "batch_size")
    epochs = round(seen / _PUBLISHED_DIGITS)
    value = published.digit_accuracy(label(row), noise, epochs)
    cells["published"] = "" if value is None else f"{value:g}"
  for name, value in test["scores"].items():
    if name not in (row.metric, "cross_entropy"):
      cells[name.replace("_", " ")] = f"{value:.3g}"
  return cells | {
    "seeds": str(len(row.runs)),
    "failed": str(row.failed),
    "steps": f"{row.best['steps']:,}",
    "parameters": f"{row.best['num_parameters']:,}",
    "note": row.best["note"],
    "command": row.best["command"],
  }
