"""Figures of the tasks on sets of Zhang's thesis."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gnn_readout.report.figures import palette, style
from gnn_readout.report.results.selection import Selection
from gnn_readout.statistics.t_tests import half_width

_COLUMNS = 4
_SHARES = ("accuracy",)  # Metrics from 0 to 1.


class Panel(NamedTuple):
  """One of several diagrams side by side.

  Attributes:
    title: What holds in all of it.
    axis: What varies.
    lines: Points of each line, by label.
  """

  title: str
  axis: str
  lines: Mapping[str, Sequence[tuple[float, float]]]


def ranked(
  rows: Sequence[Selection], name: Callable[[Selection], str]
) -> dict[str, bytes]:
  """Draws the test scores of rows below one another, the best on top.

  Args:
    rows: Rows in the order of the bars; several seeds have an interval, and
      faint points of their own.
    name: What each is called.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure = style.empty(height=0.6 + 0.16 * len(rows))
    axes = figure.subplots()
    names = [style.plain(name(row)) for row in reversed(rows)]
    looks = style.looks(names)
    for place, row in enumerate(reversed(rows)):
      look = looks[names[place]]
      if len(row.tests) > 1:
        axes.plot(
          row.tests,
          [place] * len(row.tests),
          color=look.color,
          alpha=0.4,
          linestyle="none",
          marker="|",
          markersize=6,
        )
      axes.errorbar(
        statistics.fmean(row.tests),
        place,
        xerr=half_width(row.tests),
        color=look.color,
        marker=look.marker,
        markersize=3,
        linewidth=1,
      )
    axes.set_yticks(range(len(rows)), names)
    if rows[0].metric in _SHARES:  # Of few seeds an interval may reach beyond.
      axes.set_xlim(-0.02, 1.02)
    elif rows[0].record["lower_is_better"]:  # A loss.
      axes.set_xlim(left=0)
    axes.set_xlabel(f"test {style.plain(rows[0].metric)}")
    return style.save(figure)


def panels(given: Sequence[Panel], metric: str) -> dict[str, bytes]:
  """Draws lines in diagrams that share the vertical axis.

  Args:
    given: Panels, at least one.
    metric: What the lines are of.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  names = sorted({name for panel in given for name in panel.lines})
  looks = style.looks(names)
  with style.context():
    figure = style.empty(height=2.4 * -(-len(given) // 2))
    grid = figure.subplots(-(-len(given) // 2), 2, sharey=True, squeeze=False)
    places = list(grid.flat)
    for axes in places[len(given) :]:
      axes.set_visible(False)
    for panel, axes in zip(given, places, strict=False):
      for name, points in panel.lines.items():
        axes.plot(
          *zip(*sorted(points), strict=True),
          color=looks[name].color,
          linestyle=looks[name].line,
          marker=looks[name].marker,
          markersize=3,
          label=style.plain(name),
        )
      axes.set_xlabel(style.plain(panel.axis))
      axes.set_title(style.plain(panel.title), fontsize=7)
    for row in grid:
      row[0].set_ylabel(style.plain(metric))
    handles = {
      text: handle
      for axes in places
      for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
      handles.values(), handles, loc="outside upper center", ncols=3
    )
    return style.save(figure)


def functions(
  learned: Mapping[float, Sequence[Sequence[float]]],
) -> dict[str, bytes]:
  """Draws functions of [0, 1] in a panel each, blue to red by a value.

  Args:
    learned: By the value, [F, d + 1]: each function at 0, 1 / d, ..., 1.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  values = sorted(learned)
  count = len(learned[values[0]])
  with style.context():
    rows = -(-count // _COLUMNS)
    figure = style.empty(height=1.1 * rows)
    grid = figure.subplots(
      rows, _COLUMNS, sharex=True, sharey=True, squeeze=False
    )
    for k, axes in enumerate(grid.flat):
      axes.set_visible(k < count)
    for k, axes in zip(range(count), grid.flat, strict=False):
      for i, value in enumerate(values):
        heights = learned[value][k]
        places = [j / (len(heights) - 1) for j in range(len(heights))]
        share = i / max(len(values) - 1, 1)
        axes.plot(places, heights, color=palette.mixed(share), linewidth=0.8)
      axes.set_title(f"$f_{{{k + 1}}}$", fontsize=7)
    return style.save(figure)
