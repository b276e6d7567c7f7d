"""Tables and figures of the tasks that draw their own examples.

Their records are results/records/tasks/*.json. Those that differ in nothing but
the seed and the learning rate are one row, a `Summary`: of the learning rates
the one with the best mean validation score over the seeds counts.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import pathlib
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gnn_readout.errors import suggest
from gnn_readout.report import figures, markup, sections, statements
from gnn_readout.report.records import (
  NUMBER,
  Fields,
  NoRecordsError,
  Record,
  read_folder,
)
from gnn_readout.report.sections import Figure, Section, Table

_FIELDS: Fields = {
  "schema_version": int,
  "name": str,
  "command": str,
  "task": str,
  "config.model.readout.name": str,
  "config.optimizer.learning_rate": NUMBER,
  "seed": int,
  "num_parameters": int,
  "steps": int,
  "curves.train": list,
  "curves.valid": list,
  "curves.diagnostics": dict,
  "best": (dict, type(None)),  # Null if the run failed before it was scored.
  "test": (dict, type(None)),
  "lower_is_better": bool,
  "failure": str,
  "wall_seconds": NUMBER,
  "num_members": int,
  "note": str,
}


class Summary(NamedTuple):
  """All runs of one configuration, whatever seed and learning rate.

  Attributes:
    label: The readout, with 'squared' where Equilibrium Aggregation squares a
      single output.
    width: D, what a set is pooled to; None where the config has no such field.
    learning_rate: The one that counts.
    runs: Its runs that have a score, sorted by seed.
    failed: How many runs of any learning rate were given up.
    mean: Of the test scores of `runs`.
    deviation: Their sample standard deviation, None for a single one.
    best: The run of the best validation score.
  """

  label: str
  width: int | None
  learning_rate: float
  runs: list[Record]
  failed: int
  mean: float
  deviation: float | None
  best: Record


class _Length(NamedTuple):
  """For how long a row was trained."""

  steps: int
  batch_size: int
  schedule: str


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


def read_records(
  results_dir: str | os.PathLike[str], task: str
) -> list[Record]:
  """Reads and checks the records of a task, in the order of their files.

  Args:
    results_dir: The folder that holds `records`.
    task: Such as 'median'.

  Raises:
    ValueError: If a file is not a record of a task.
  """
  folder = pathlib.Path(results_dir, "records", "tasks")
  records = read_folder(folder, _FIELDS).values()
  return [record for record in records if record["task"] == task]


def summaries(records: Iterable[Record]) -> list[Summary]:
  """Summarises the records of a task, sorted by label, width and steps.

  A learning rate with a run that failed counts only if there is no other.

  Args:
    records: As `read_records` returns them, in any order.

  Raises:
    ValueError: If two records are the same run with the same seed.
  """
  groups: dict[str, list[Record]] = {}
  for record in records:
    groups.setdefault(_configuration(record), []).append(record)
  rows = [_summary(group) for group in groups.values()]
  rows = [row for row in rows if row is not None]
  return sorted(
    rows, key=lambda row: (row.label, row.width or 0, row.best["steps"])
  )


def display(row: Summary) -> dict[str, str]:
  """Returns what a reader sees of a row, by column title."""
  best, deviation = row.best, row.deviation
  metric = best["test"]["metric"]
  test = f"{row.mean:.3g}"
  if deviation is not None:
    test += f" ± {deviation:.2g}"
  return {
    "readout": row.label,
    "D": "" if row.width is None else str(row.width),
    "learning rate": f"{row.learning_rate:g}"
    + (
      ""
      if _length(row).schedule == "constant"
      else f", {_length(row).schedule}"
    ),
    "seeds": str(len(row.runs)),
    "failed": str(row.failed),
    f"test {metric}": test,
    "of the best seed": f"{best['test']['value']:.3g} (seed {best['seed']})",
    f"valid {metric}": f"{_mean_valid(row.runs):.3g}",
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
    rows: From `summaries`.
  """
  ours = {
    (row.width, _length(row)): row for row in rows if row.label == "equilibrium"
  }
  several = len({_length(row) for row in rows}) > 1
  clauses: dict[str, list[str]] = {}
  for row in rows:
    base = ours.get((row.width, _length(row)))
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


def error_by_width(rows: Sequence[Summary]) -> dict[str, bytes]:
  """Draws the test error against D, a line for each readout (Figure 3).

  A line goes through the means over the seeds, a faint dot is one seed. Of
  several configurations of a readout and a width the best on validation is
  drawn.

  Differs from the paper: its means are of smoothed errors after the last step,
  and beside them is the best evaluation of any seed (D.1). Here a seed counts
  with its test error at the step that was best on validation.

  Args:
    rows: From `summaries`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  chosen: dict[tuple[str, int], Summary] = {}
  for row in sorted(rows, key=_rank):
    if row.width is not None:
      chosen.setdefault((row.label, row.width), row)
  labels = sorted({label for label, _ in chosen})
  widths = sorted({width for _, width in chosen})
  with figures.style():
    figure = figures.empty(height=2.6)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for label, look in zip(
      labels, itertools.cycle(figures.LOOKS), strict=False
    ):
      color, style, marker = look
      line = sorted(
        (row for key, row in chosen.items() if key[0] == label),
        key=lambda row: row.width,
      )
      axes.plot(
        [row.width for row in line],
        [row.mean for row in line],
        color=color,
        linestyle=style,
        marker=marker,
        markersize=4,
        label=label,
      )
      dots = [(r.width, x["test"]["value"]) for r in line for x in r.runs]
      axes.scatter(
        *zip(*dots, strict=True), s=9, color=color, alpha=0.35, linewidths=0
      )
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.xaxis.minorticks_off()
    axes.set_xlabel("embedding size D")
    axes.set_ylabel("mean squared error, test")
    figure.legend(loc="outside upper center", ncols=3)
    return figures.save(figure)


def learning_curves(rows: Sequence[Summary]) -> dict[str, bytes]:
  """Draws the metric against the training step (Figure 4b).

  Dashed on what is trained on, as the mean of all steps since the evaluation
  before; solid on the validation examples. Both are means over the seeds.

  Args:
    rows: From `summaries`; of several with the same label the best on
      validation is drawn.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  chosen: dict[str, Summary] = {}
  for row in sorted(rows, key=_rank):
    chosen.setdefault(row.label, row)
  with figures.style():
    from matplotlib import ticker

    figure = figures.empty(height=2.6)
    axes = figure.subplots()
    metric = rows[0].best["test"]["metric"]
    for label, look in zip(
      sorted(chosen), itertools.cycle(figures.LOOKS), strict=False
    ):
      color, _, marker = look
      runs = chosen[label].runs
      train = [run["curves"]["diagnostics"].get(metric, []) for run in runs]
      axes.plot(*_mean_curve(train), color=color, linestyle=(0, (3, 1.5)))
      axes.plot(
        *_mean_curve([run["curves"]["valid"] for run in runs]),
        color=color,
        marker=marker,
        markersize=2.5,
        label=f"{label} (test {chosen[label].mean:.3g})",
      )
    axes.set_xlabel("training step")
    axes.set_ylabel(f"{metric}, train (dashed) and valid (solid)")
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 2M, 500k
    figure.legend(loc="outside upper center", ncols=2)
    return figures.save(figure)


REPORTS = {
  "median": Report(
    "Median of 100 numbers (Figure 3 of the paper). Published, a figure without"
    " numbers: after 1e7 steps the error of Equilibrium Aggregation is about 10"
    " times (mean of 5 seeds) and 100 times (best seed) lower than that of sum"
    " and attention.",
    "median_error",
    error_by_width,
  ),
  "omniglot": Report(
    "How many characters 16 drawings show (Figure 4b of the paper).",
    "omniglot_curves",
    learning_curves,
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
  rows = summaries(read_records(results_dir, task))
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


def write(results_dir: str | os.PathLike[str], task: str) -> str:
  """Writes the figure of a task and its section of results/README.md.

  Args:
    results_dir: The folder that holds `records`.
    task: A key of `REPORTS`.

  Returns:
    The section, as Markdown.

  Raises:
    ValueError: If the task is unknown or has no record with a score.
  """
  made = section(results_dir, task)
  sections.write(results_dir, made)
  return sections.markdown(made)


def _length(row: Summary) -> _Length:
  config = row.best["config"]
  schedule = config["optimizer"].get("schedule", "constant")
  return _Length(row.best["steps"], config.get("batch_size", 0), schedule)


def _configuration(record: Record) -> str:
  """Everything but seed and learning rate that decides a result."""
  config = {
    key: value
    for key, value in record["config"].items()
    if key not in ("seed", "note")
  }
  config["optimizer"] = config["optimizer"] | {"learning_rate": None}
  return json.dumps(config, sort_keys=True)


def _summary(group: Sequence[Record]) -> Summary | None:
  """One row from the runs of one configuration; None if none has a score."""
  rates: dict[float, list[Record]] = {}
  for record in sorted(group, key=lambda record: record["seed"]):
    rate = record["config"]["optimizer"]["learning_rate"]
    rates.setdefault(rate, []).append(record)
  for runs in rates.values():
    for first, second in itertools.pairwise(runs):
      if first["seed"] == second["seed"]:
        raise ValueError(
          f"records {first['name']!r} and {second['name']!r} are the same run"
          f" with the same seed {first['seed']}; keep one of them"
        )
  sign = 1 if group[0]["lower_is_better"] else -1

  def rank(rate: float) -> tuple[int, float]:
    runs = rates[rate]
    scored = [run for run in runs if run["test"]]
    worst = sign * _mean_valid(scored) if scored else math.inf
    return sum(bool(run["failure"]) for run in runs), worst

  rate = min(rates, key=rank)
  runs = [run for run in rates[rate] if run["test"]]
  if not runs:
    return None
  values = [run["test"]["value"] for run in runs]
  model = group[0]["config"]["model"]
  squares = model["readout"].get("square_reduction", "none") != "none"
  return Summary(
    label=model["readout"]["name"] + ", squared" * squares,
    width=model.get("width"),
    learning_rate=rate,
    runs=runs,
    failed=sum(bool(record["failure"]) for record in group),
    mean=statistics.fmean(values),
    deviation=statistics.stdev(values) if len(values) > 1 else None,
    best=min(runs, key=lambda run: sign * run["best"]["valid"]),
  )


def _mean_valid(runs: Sequence[Record]) -> float:
  return statistics.fmean(run["best"]["valid"] for run in runs)


def _rank(row: Summary) -> float:
  """Sorts the best validation score first."""
  sign = 1 if row.best["lower_is_better"] else -1
  return sign * _mean_valid(row.runs)


def _mean_curve(
  curves: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[int], list[float]]:
  """Returns steps, and the mean of the curves that have a point there."""
  points: dict[int, list[float]] = {}
  for step, value in itertools.chain(*curves):
    points.setdefault(step, []).append(value)
  return sorted(points), [statistics.fmean(points[s]) for s in sorted(points)]
