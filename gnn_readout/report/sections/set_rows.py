"""What the sections of tasks on sets share: tables, rankings and sentences."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gnn_readout.records import field
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, File, Table
from gnn_readout.report.figures import sets as figures
from gnn_readout.report.results.published import PublishedSets
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import LEVEL, half_width, two_samples
from gnn_readout.wording import counted

Name = Callable[[Selection], str]
_LENGTH = "num_steps"
_LONG = ("note", "command")  # Too long for a table to look at.
HOW = (
  "Each row uses the learning rate with the best mean validation score, and"
  " gives the mean and, for several seeds, half the width of Student's"
  f" {1 - LEVEL:.0%} confidence interval."
  " The command of every row is in [{task}.csv]({task}.csv)."
)


def ordered(found: Sequence[Selection]) -> list[Selection]:
  """Returns rows with the best test score first."""
  return sorted(
    found,
    key=lambda row: (
      statistics.fmean(row.tests) * (row.record["lower_is_better"] * 2 - 1)
    ),
  )


def by_setting(
  found: Sequence[Selection], fields: Sequence[str], name: Name = label
) -> dict[str, list[Selection]]:
  """Groups rows that are compared, one for each name, the best first.

  Runs of other lengths are never compared.

  Args:
    found: Rows of a task.
    fields: In which compared rows agree, besides the number of steps.
    name: What a row is called.

  Returns:
    By what holds for all of a group, such as 'noise 0.05'.
  """
  lengths = {field(row.record, _LENGTH) for row in found}
  if len(lengths) > 1 and _LENGTH not in fields:
    fields = (*fields, _LENGTH)
  groups: dict[tuple, dict[str, Selection]] = {}
  for row in ordered(found):
    values = (field(row.record, path) for path in fields)
    key = tuple(tuple(x) if isinstance(x, list) else x for x in values)
    groups.setdefault(key, {}).setdefault(name(row), row)
  return {
    ", ".join(
      _said(path, value)
      for path, value in zip(fields, key, strict=True)
      if value not in (None, "", ())
    ): [*rows.values()]
    for key, rows in groups.items()
  }


def _said(path: str, value: Any) -> str:
  """Returns such as 'noise 0.05' or '3,000 steps'."""
  if path == _LENGTH:
    return counted(value, "step")
  return f"{path.rpartition('.')[2].replace('_', ' ')} {value}"


def leader(
  setting: str, found: Sequence[Selection], does: str, name: Name = label
) -> list[str]:
  """Returns a sentence on which of several rows is best, if there are several.

  Others are said not to differ significantly from it if the t test of the
  seeds, with Holm's correction, says so, and not to be compared if one of the
  two has one seed.

  Args:
    setting: Setting that they have in common, such as 'noise 0'.
    found: At least two rows, the best first.
    does: Verb, such as 'counts'.
    name: What a row is called.
  """
  if len(found) < 2:
    return []
  first, *others = found
  tests = [two_samples(first.tests, row.tests) for row in others]
  noise, unknown = [], []
  for row, p in zip(others, holm.of_tests(tests), strict=True):
    if p is None:
      unknown.append(name(row))
    elif p >= LEVEL:
      noise.append(name(row))
  text = (
    f"At {setting}, {name(first)} {does} best of {len(found)}, with a test"
    f" {first.metric} of {statistics.fmean(first.tests):.3g}"
  )
  if noise:
    text += f"; not significantly different: {', '.join(noise)}"
  if unknown and len(unknown) == len(others):
    text += "; too few seeds ran to tell them apart"
  elif unknown:
    text += f"; too few seeds ran to compare it with {', '.join(unknown)}"
  return [f"{text}."]


def ranking(
  groups: Mapping[str, Sequence[Selection]], task: str, name: Name = label
) -> list[Block]:
  """Draws the setting with most rows, if it has several.

  Args:
    groups: From `by_setting`.
    task: Its name.
    name: What a row is called.
  """
  setting, most = max(groups.items(), key=lambda item: len(item[1]))
  if len(most) < 3:
    return []
  title = (
    f"Test scores, {setting}; bars are {1 - LEVEL:.0%} confidence intervals,"
    " ticks single seeds"
  )
  return [Figure(f"{task}_ranking", title, figures.ranked(most, name))]


def table(
  found: Sequence[Selection],
  task: str,
  fields: Mapping[str, str],
  *,
  name: Name = label,
  extra: Callable[[Selection], Mapping[str, str]] = lambda row: {},
  shown: Callable[[Selection], bool] = lambda row: True,
  hidden: Sequence[str] = (),
) -> list[Block]:
  """The table, what was reduced, and the file of all rows and columns.

  Args:
    found: Rows, in this order.
    task: Its name.
    fields: By title, the fields that are shown.
    name: What a row is called.
    extra: Function that returns more cells of a row, behind its test score.
    shown: Function that returns whether a row is in the table.
    hidden: Titles of columns that the table lacks.
  """
  is_shown = [shown(row) for row in found]
  cells = [_display(row, fields, name, extra) for row in found]
  titles = list(dict.fromkeys(title for row in cells for title in row))
  cells = [{title: row.get(title, "") for title in titles} for row in cells]
  left_out = {*_LONG, *hidden}
  short = [
    {k: v for k, v in row.items() if k not in left_out}
    for row, is_in in zip(cells, is_shown, strict=True)
    if is_in
  ]
  notes = sorted({row["note"] for row in cells if row["note"]})
  return [
    Table("Scores", short),
    *(f"Reduced settings: {note}." for note in notes),
    File(f"{task}.csv", markup.csv_table(cells)),
  ]


def printed(found: PublishedSets | None) -> str:
  """Returns a published number with its deviation; '' if there is none."""
  if found is None:
    return ""
  std = "" if found.deviation is None else f" ± {found.deviation:.2g}"
  return f"{found.value:.3g}{std}"


def _display(
  row: Selection,
  fields: Mapping[str, str],
  name: Name,
  extra: Callable[[Selection], Mapping[str, str]],
) -> dict[str, str]:
  """Returns what a reader sees of a row, by column title."""
  cells = {"model": name(row)}
  for title, path in fields.items():
    value = field(row.record, path)
    cells[title] = "" if value in (None, [], ()) else f"{value}"
  cells[f"test {row.metric}"] = with_interval(row.tests)
  cells |= extra(row)
  for score, values in scores(row).items():
    if score not in (row.metric, "cross_entropy"):
      cells.setdefault(score.replace("_", " "), f"{values:.3g}")
  return cells | {
    "seeds": str(len(row.runs)),
    "failed": str(row.failed),
    "steps": f"{row.best['steps']:,}",
    "parameters": f"{row.best['num_parameters']:,}",
    "note": row.best["note"],
    "command": row.best["command"],
  }


def with_interval(values: Sequence[float]) -> str:
  """Returns such as '0.71 ± 0.02': the mean, and half the interval if any."""
  half = half_width(values)
  return f"{statistics.fmean(values):.3g}" + (f" ± {half:.2g}" if half else "")


def scores(row: Selection) -> dict[str, float]:
  """Returns the means over the seeds of all test scores, by name."""
  names = row.record["test"]["scores"]
  return {
    name: statistics.fmean(run["test"]["scores"][name] for run in row.runs)
    for name in names
  }
