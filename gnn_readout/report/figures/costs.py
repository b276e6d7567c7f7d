"""Figures of what readouts cost against how well they score."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from gnn_readout.records import metric_name
from gnn_readout.report.figures import palette, style
from gnn_readout.report.results.contests import Contest
from gnn_readout.statistics.t_tests import half_width

_LEFT, _RIGHT = 1 / 10, 2  # Room beside the costs; names stand on the left.
_CLOSE = 1.3  # Of costs: the name of the second one stands on the right.


def scattered(
  contests: Sequence[Contest],
  costs: Mapping[str, float],
  fronts: Sequence[Sequence[str]],
) -> dict[str, bytes]:
  """Draws the score of each readout over its cost, a panel for each setting.

  Those that no cheaper one beats have their look, their name and a line through
  them; the others are grey, and a browser names them under the pointer.

  Args:
    contests: Settings, at least one.
    costs: Cost of each readout, relative to `sum`.
    fronts: For each setting the names that no cheaper one beats, the cheapest
      first.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure = style.empty(height=2.3 * len(contests))
    grid = figure.subplots(len(contests), 1, squeeze=False)[:, 0]
    for axes, contest, front in zip(grid, contests, fronts, strict=True):
      names = sorted(contest.rows.keys() & costs.keys(), key=costs.get)
      looks = style.looks(names)
      level = {n: statistics.fmean(contest.rows[n].tests) for n in names}
      for name in names:
        is_best = name in front
        axes.errorbar(
          costs[name],
          level[name],
          yerr=half_width(contest.rows[name].tests) if is_best else None,
          color=looks[name].color if is_best else palette.QUIET,
          marker=looks[name].marker,
          markersize=5 if is_best else 3,
          linewidth=1,
          linestyle="none",
          label=style.plain(name),
        )
      first = contest.rows[names[0]]
      is_error = first.record["lower_is_better"]
      is_right, before = False, 0.0
      for name in front:
        # Nothing is better and cheaper: that side of the front is empty.
        is_right = costs[name] < _CLOSE * before and not is_right
        before = costs[name]
        axes.annotate(
          style.plain(name),
          (costs[name], level[name]),
          xytext=(5 if is_right else -4, -8 if is_right != is_error else 3),
          ha="left" if is_right else "right",
          textcoords="offset points",
          fontsize=6,
        )
      axes.plot(
        *zip(*((costs[name], level[name]) for name in front), strict=True),
        color=palette.QUIET,
        linestyle=style.DOTTED,
        linewidth=0.8,
        zorder=0,
        label="no cheaper one is better",
      )
      axes.set_xscale("log")
      axes.set_xlim(costs[names[0]] * _LEFT, costs[names[-1]] * _RIGHT)
      axes.set_title(style.plain(contest.title), fontsize=7)
      label = f"test {metric_name(first.metric)}"
      low, high = axes.get_ylim()  # Intervals of few seeds reach far.
      if is_error:
        label += ", lower is better"
        axes.set_ylim(max(low, -0.08 * high), high)
      else:
        axes.set_ylim(max(low, -0.02), min(high, 1.02))
      axes.set_ylabel(label)
    grid[-1].set_xlabel("time of the readout's gradient, relative to sum")
    return style.save(figure)
