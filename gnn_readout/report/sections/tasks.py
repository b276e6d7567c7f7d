"""Tables and sentences of the tasks that draw their own examples."""

from __future__ import annotations

import math
import os
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gnn_readout.errors import suggest
from gnn_readout.records import NoRecordsError
from gnn_readout.report import markup
from gnn_readout.report.blocks import Figure, Section, Table
from gnn_readout.report.figures import tasks as task_plots
from gnn_readout.report.results import significance as statements
from gnn_readout.report.results import tasks as task_rows
from gnn_readout.report.results.tasks import Summary


class Report(NamedTuple):
  """What is made of the records of a task.

  Attributes:
    text: What the paper says, and what the figure shows.
    figure: The name of its files.
    draw: Summaries -> the files, by name extension.
  """

  text: str
  figure: str
  draw: Callable[[Sequence[Summary]], dict[str, bytes]]


def display(row: Summary) -> dict[str, str]:
  """Returns what a reader sees of a row, by column title."""
  best, deviation = row.best, row.deviation
  metric = best["test"]["metric"]
  test = f"{row.mean:.3g}"
  if deviation is not None:
    test += f" ± {deviation:.2g}"
  rate = f"{row.learning_rate:g}"
  if (schedule := task_rows.length(row).schedule) != "constant":
    rate += f", {schedule}"
  return {
    "readout": row.label,
    "D": "" if row.width is None else str(row.width),
    "learning rate": rate,
    "seeds": str(len(row.runs)),
    "failed": str(row.failed),
    f"test {metric}": test,
    "of the best seed": f"{best['test']['value']:.3g} (seed {best['seed']})",
    f"valid {metric}": f"{task_rows.mean_valid(row.runs):.3g}",
    "steps": f"{best['steps']:,}",
    "sets a step": f"{best['config'].get('batch_size', '')}",
    "parameters": f"{best['num_parameters']:,}",
    "minutes": (
      f"{best['wall_seconds'] / 60:.1f} for {best['num_members']} at once"
    ),
    "note": best["note"],
    "command": best["command"],
  }


def statement(rows: Sequence[Summary]) -> list[str]:
  """Returns a sentence on how Equilibrium Aggregation compares, if it ran.

  Compared are rows of one width that were trained for as long.
  Errors are compared by their ratio, scores by their difference in points. Two
  are within noise if the means over their seeds, of the logarithms of errors,
  are at most two pooled deviations apart; of single seeds nothing is known.

  Args:
    rows: From `task_rows.summaries`.
  """
  ours = {
    (row.width, task_rows.length(row)): row
    for row in rows
    if row.label == "equilibrium"
  }
  several = len({task_rows.length(row) for row in rows}) > 1
  clauses: dict[str, list[str]] = {}
  for row in rows:
    base = ours.get((row.width, task_rows.length(row)))
    if base is None or row.label == "equilibrium":
      continue
    is_error = row.best["lower_is_better"]
    size = f"{100 * (row.mean - base.mean):+.1f} points"
    if is_error:
      size = f"{row.mean / base.mean:.2g} times"
    remarks = [] if row.width is None else [f"D = {row.width}"]
    if several:
      remarks.append(f"{row.best['steps']:,} steps")
    samples = [[r["test"]["value"] for r in x.runs] for x in (row, base)]
    if is_error:  # A deviation of the larger one alone would decide.
      samples = [[math.log(value) for value in sample] for sample in samples]
    deviation = statements.pooled_deviation(samples)
    first, second = map(statistics.fmean, samples)
    if deviation is None:
      remarks.append("one seed each, which may be noise")
    elif abs(first - second) <= 2 * deviation:
      remarks.append("within noise")
    note = f" ({', '.join(remarks)})" if remarks else ""
    clauses.setdefault(row.label, []).append(size + note)
  if not clauses:
    return []
  metric = rows[0].best["test"]["metric"]
  parts = [f"of {name} {', '.join(x)}" for name, x in clauses.items()]
  return [
    f"Against that of equilibrium, the test {metric} is {'; '.join(parts)}."
  ]


REPORTS = {
  "median": Report(
    "Median of 100 numbers (Figure 3 of the paper). Published, a figure without"
    " numbers: after 1e7 steps the error of Equilibrium Aggregation is about 10"
    " times (mean of 5 seeds) and 100 times (best seed) lower than that of sum"
    " and attention.",
    "median_error",
    task_plots.error_by_width,
  ),
  "omniglot": Report(
    "How many characters 16 drawings show (Figure 4b of the paper).",
    "omniglot_curves",
    task_plots.learning_curves,
  ),
}


def section(results_dir: str | os.PathLike[str], task: str) -> Section:
  """Makes the section of a task.

  Args:
    results_dir: The folder that holds `records`.
    task: A key of `REPORTS`.

  Raises:
    ValueError: If the task is unknown or has no record with a score.
  """
  if task not in REPORTS:
    raise ValueError(f"no report of task {task!r}.{suggest(task, REPORTS)}")
  report = REPORTS[task]
  rows = task_rows.summaries(task_rows.read_records(results_dir, task))
  if not rows:
    raise NoRecordsError(
      f"record of task {task!r} with a score",
      pathlib.Path(results_dir, "records", "tasks"),
      f"python -m launch.train --config=configs/{task}.py --workdir=DIR",
    )
  title, _, text = report.text.partition(".")
  how = (
    "Of the learning rates the best on validation, mean and sample standard"
    " deviation over the seeds; `failed` counts runs of all learning rates. The"
    f" command of every row is in [{task}.csv]({task}.csv)."
  )
  cells = [display(row) for row in rows]
  long = ("note", "command")  # Too long for a table to look at.
  short = [{k: v for k, v in row.items() if k not in long} for row in cells]
  notes = dict.fromkeys(row["note"] for row in cells if row["note"])
  labels = {
    note: ", ".join(
      dict.fromkeys(row["readout"] for row in cells if row["note"] == note)
    )
    for note in notes
  }
  return Section(
    task,
    title,
    [
      f"{text} {how}".strip(),
      Figure(report.figure, title, report.draw(rows)),
      Table("Scores", short),
      *statement(rows),
      *(f"Reduced, {labels[note]}: {note}." for note in notes),
    ],
    {f"{task}.csv": markup.csv_table(cells)},
  )
