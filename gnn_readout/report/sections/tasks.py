"""Tables and sentences of the tasks that draw their own examples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from gnn_readout.records import Record, field
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, File, Table
from gnn_readout.report.figures import tasks as figures
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, length, rows, width
from gnn_readout.statistics import holm, t_tests
from gnn_readout.wording import counted

_LONG = ("note", "command")  # Too long for a table to look at.


def median(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the task 'median'."""
  found = rows(records, "median")
  steps, seeds, mean, best = (
    published.number(f"median_{name}")
    for name in ("steps", "seeds", "mean_factor", "best_factor")
  )
  return found and [
    f"The paper shows a figure without numbers: after {steps:,.0f} steps the"
    f" error of Equilibrium Aggregation is about {mean:.0f} times (mean of"
    f" {seeds:.0f} seeds) and {best:.0f} times (best seed) lower than that of"
    f" sum and attention. {_how('median')}",
    Figure(
      "median_error",
      "Test error against the embedding size: means over the seeds; single"
      " seeds are drawn faintly",
      figures.error_by_width(found),
    ),
    *_scores(found, "median"),
  ]


def omniglot(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the task 'omniglot'."""
  found = rows(records, "omniglot")
  if not found:
    return []
  most, size = (
    field(found[0].record, f"sets.{name}")
    for name in ("num_classes", "set_size")
  )
  return [
    f"Each set holds {size} drawings of one to {most} characters, every number"
    " of characters being equally likely, so that guessing is right with"
    f" probability {1 / most:g}. {_how('omniglot')}",
    Figure(
      "omniglot_curves",
      "Accuracy against the training step, on the training characters"
      " (dashed) and on held-out ones (solid); the dotted line is guessing",
      figures.learning_curves(found, 1 / most),
    ),
    *_scores(found, "omniglot"),
  ]


def display(row: Selection) -> dict[str, str]:
  """Returns what a reader sees of a row, by column title."""
  best, metric = row.best, row.metric
  test = f"{statistics.fmean(row.tests):.3g}"
  if len(row.tests) > 1:
    test += f" ± {statistics.stdev(row.tests):.2g}"
  rate = f"{row.learning_rate:g}"
  if (schedule := length(row).schedule) != "constant":
    rate += f", {schedule}"
  return {
    "readout": label(row),
    "D": "" if width(row) is None else str(width(row)),
    "learning rate": rate,
    "seeds": str(len(row.runs)),
    "failed": str(row.failed),
    f"test {metric}": test,
    f"test {metric}, best seed": (
      f"{best['test']['value']:.3g} (seed {best['seed']})"
    ),
    f"valid {metric}": f"{statistics.fmean(row.valids):.3g}",
    "steps": f"{best['steps']:,}",
    "batch size": f"{best['config'].get('batch_size', '')}",
    "parameters": f"{best['num_parameters']:,}",
    "note": best["note"],
    "command": best["command"],
  }


def statement(found: Sequence[Selection]) -> list[str]:
  """Returns a sentence on how Equilibrium Aggregation compares, if it ran.

  Compared are rows of one width that were trained for as long. Errors are
  compared by their ratio, scores by their difference in points. Two are not
  significant if Student's t test of their seeds, of the logarithms of errors,
  has p >= 0.05 after Holm's correction for all that is compared. Of a row with
  a single seed nothing is said.

  Args:
    found: From `rows`.
  """
  ours = {
    (width(row), length(row)): row
    for row in found
    if label(row) == "equilibrium"
  }
  several = len(set(map(length, found))) > 1
  compared = []
  for row in found:
    base = ours.get((width(row), length(row)))
    if base is None or label(row) == "equilibrium":
      continue
    samples = [row.tests, base.tests]
    if row.record["lower_is_better"]:
      # A deviation of the larger one alone would decide.
      samples = [[math.log(value) for value in sample] for sample in samples]
    test = t_tests.two_samples(*samples)
    if test is not None:
      compared.append((row, base, test.p))
  corrected = holm.corrected([p for *_, p in compared])
  clauses: dict[str, list[str]] = {}
  for (row, base, _), p in zip(compared, corrected, strict=True):
    mean, base_mean = statistics.fmean(row.tests), statistics.fmean(base.tests)
    size = f"{100 * (mean - base_mean):+.1f} points"
    if row.record["lower_is_better"]:
      ratio = mean / base_mean
      size = f"{ratio:.2f}x" if ratio < 10 else f"{ratio:,.0f}x"
    remarks = [] if width(row) is None else [f"D = {width(row)}"]
    if several:
      remarks.append(f"{row.record['steps']:,} steps")
    if p >= t_tests.LEVEL:
      remarks.append("not significant")
    note = f" ({', '.join(remarks)})" if remarks else ""
    clauses.setdefault(label(row), []).append(size + note)
  if not clauses:
    return []
  parts = [f"{name} {', '.join(x)}" for name, x in clauses.items()]
  return [
    f"Test {found[0].metric} relative to equilibrium: {'; '.join(parts)}. A"
    " difference is not significant if Student's t test of the seeds has p >="
    f" {t_tests.LEVEL} after Holm's correction for"
    f" {counted(len(compared), 'comparison')}."
  ]


def _how(task: str) -> str:
  return (
    "Each row uses the learning rate with the best mean validation score, and"
    " gives the mean and sample standard deviation over the seeds; `failed`"
    " counts the failed runs of all learning rates. The command of every row"
    f" is in [{task}.csv]({task}.csv)."
  )


def _scores(found: Sequence[Selection], task: str) -> list[Block]:
  """The table, what is said of it, and the file of all columns."""
  cells = [display(row) for row in found]
  short = [{k: v for k, v in row.items() if k not in _LONG} for row in cells]
  noted: dict[str, dict[str, None]] = {}
  for row in cells:
    if row["note"]:
      noted.setdefault(row["note"], {})[row["readout"]] = None
  return [
    Table("Scores", short),
    *statement(found),
    *(
      f"Reduced settings of {', '.join(map(markup.code, names))}: {note}."
      for note, names in noted.items()
    ),
    File(f"{task}.csv", markup.csv_table(cells)),
  ]
