"""Figures of the tasks that draw their own examples."""

from __future__ import annotations

import collections
import itertools
import operator
import statistics
from collections.abc import Sequence

from gnn_readout.report.figures import palette, style
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, length, width


def error_by_width(rows: Sequence[Selection]) -> dict[str, bytes]:
  """Draws the test error against D, a line for each readout (Figure 3).

  A line goes through the means over the seeds, a faint dot is one seed. Drawn
  are rows of one length of training, that which most rows have, or the longest
  of these; of several configurations of a readout and a width the best on
  validation.

  Differs from the paper: its means are of smoothed errors after the last step,
  and beside them is the best evaluation of any seed (D.1). Here a seed counts
  with its test error at the step that was best on validation.

  Args:
    rows: From `results.tasks.rows`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  counts = collections.Counter(map(length, rows))
  common = max(counts, key=lambda key: (counts[key], key))
  drawn: dict[tuple[str, int], Selection] = {}
  for row in sorted(rows, key=operator.attrgetter("rank")):
    if width(row) is not None and length(row) == common:
      drawn.setdefault((label(row), width(row)), row)
  names = sorted({name for name, _ in drawn})
  widths = sorted({size for _, size in drawn})
  with style.context():
    figure = style.empty(height=2.6)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for name, look in style.looks(names).items():
      line = sorted(
        (key[1], row) for key, row in drawn.items() if key[0] == name
      )
      axes.plot(
        [size for size, _ in line],
        [statistics.fmean(row.tests) for _, row in line],
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=4,
        label=style.plain(name),
      )
      dots = [(size, value) for size, row in line for value in row.tests]
      axes.scatter(
        *zip(*dots, strict=True),
        s=9,
        color=look.color,
        marker=look.marker,
        alpha=0.6,
        linewidths=0,
      )
    axes.set_xticks(widths, list(map(str, widths)))
    axes.xaxis.minorticks_off()
    axes.set_xlabel("embedding size D")
    axes.set_ylabel("test mean squared error")
    figure.legend(loc="outside upper center", ncols=3)
    return style.save(figure)


def learning_curves(
  rows: Sequence[Selection], chance: float | None = None
) -> dict[str, bytes]:
  """Draws the metric against the training step (Figure 4b).

  Dashed on what is trained on, as the mean of all steps since the evaluation
  before; solid on the validation examples. Both are means over the seeds.

  Args:
    rows: From `results.tasks.rows`; of several with the same label the best on
      validation is drawn.
    chance: The metric of guessing, a line across the figure.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  drawn: dict[str, Selection] = {}
  for row in sorted(rows, key=operator.attrgetter("rank")):
    drawn.setdefault(label(row), row)
  with style.context():
    from matplotlib import ticker

    figure = style.empty(height=2.6)
    axes = figure.subplots()
    metric = rows[0].metric
    for name, look in style.looks(sorted(drawn)).items():
      runs = drawn[name].runs
      train = [run["curves"]["diagnostics"].get(metric, []) for run in runs]
      axes.plot(*_mean_curve(train), color=look.color, linestyle=style.DASHED)
      axes.plot(
        *_mean_curve([run["curves"]["valid"] for run in runs]),
        color=look.color,
        marker=look.marker,
        markersize=2.5,
        label=style.plain(
          f"{name} (test {statistics.fmean(drawn[name].tests):.3g})"
        ),
      )
    if chance is not None:
      axes.axhline(
        chance, color=palette.QUIET, linestyle=style.DOTTED, label="guessing"
      )
    axes.set_xlabel("training step")
    axes.set_ylabel(f"{style.plain(metric)}\ntrain dashed, valid solid")
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 2M, 500k
    figure.legend(loc="outside upper center", ncols=2)
    return style.save(figure)


def _mean_curve(
  curves: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[int], list[float]]:
  """Returns steps, and the mean of the curves that have a point there."""
  points: dict[int, list[float]] = {}
  for step, value in itertools.chain(*curves):
    points.setdefault(step, []).append(value)
  return sorted(points), [statistics.fmean(points[s]) for s in sorted(points)]
