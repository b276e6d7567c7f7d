"""Figures of the tasks that draw their own examples."""

from __future__ import annotations

import collections
import itertools
import statistics
from collections.abc import Sequence

from gnn_readout.report.figures import style as figures
from gnn_readout.report.results.tasks import Summary, length, rank


def error_by_width(rows: Sequence[Summary]) -> dict[str, bytes]:
  """Draws the test error against D, a line for each readout (Figure 3).

  A line goes through the means over the seeds, a faint dot is one seed. Drawn
  are rows of one length of training, that which most rows have, or the longest
  of these; of several configurations of a readout and a width the best on
  validation.

  Differs from the paper: its means are of smoothed errors after the last step,
  and beside them is the best evaluation of any seed (D.1). Here a seed counts
  with its test error at the step that was best on validation.

  Args:
    rows: From `task_rows.summaries`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  counts = collections.Counter(map(length, rows))
  common = max(counts, key=lambda key: (counts[key], key))
  chosen: dict[tuple[str, int], Summary] = {}
  for row in sorted(rows, key=rank):
    if row.width is not None and length(row) == common:
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
    rows: From `task_rows.summaries`; of several with the same label the best on
      validation is drawn.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  chosen: dict[str, Summary] = {}
  for row in sorted(rows, key=rank):
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


def _mean_curve(
  curves: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[int], list[float]]:
  """Returns steps, and the mean of the curves that have a point there."""
  points: dict[int, list[float]] = {}
  for step, value in itertools.chain(*curves):
    points.setdefault(step, []).append(value)
  return sorted(points), [statistics.fmean(points[s]) for s in sorted(points)]
