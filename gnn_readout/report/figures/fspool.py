"""What an FSPool has learned: the weight it gives to each rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.report.figures import style

_COLUMNS = 4
_ROW_INCHES = 0.7


def rank_weights(
  knots: Sequence[Sequence[float]], title: str = ""
) -> dict[str, bytes]:
  """Draws f(r, w_d) against r for each feature d (Figure 5.7 of the thesis).

  f is linear between its knots at r = 0, 1 / (k - 1), ..., 1, the ranks from
  the highest element of a set to the lowest. A flat line is a multiple of the
  sum; a peak at the left or the right end the maximum or the minimum. All
  panels have the same axes.

  Args:
    knots: [D, k], w of D features.
    title: Stands above all panels.

  Returns:
    The files, by name extension: 'png' and 'svg'.

  Raises:
    ValueError: If there are no features, or not the same two or more knots for
      each.
  """
  counts = {len(values) for values in knots}
  if len(counts) != 1 or min(counts) < 2:
    raise ValueError(
      "knots must have at least one row, and rows of one length, at least two,"
      f" got lengths {sorted(counts)}"
    )
  with style.context():
    return style.save(_figure(knots, title))


def _figure(knots: Sequence[Sequence[float]], title: str) -> Any:
  """Returns the figure, a panel for each feature."""
  columns = min(_COLUMNS, len(knots))
  rows = -(-len(knots) // columns)
  figure = style.empty(0.8 + _ROW_INCHES * rows)
  grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
  panels = grid.ravel()
  last = len(knots[0]) - 1
  color = style.looks(["fspool"])["fspool"].color
  for number, (axes, values) in enumerate(zip(panels, knots, strict=False), 1):
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.plot([i / last for i in range(last + 1)], values, color=color)
    axes.set_title(str(number), fontsize=6, pad=2)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "", "1"])
  for axes in panels[len(knots) :]:
    axes.set_axis_off()
  figure.suptitle(style.plain(title))
  figure.supxlabel("rank r, from the highest element to the lowest", fontsize=7)
  figure.supylabel("weight f(r, w)", fontsize=7)
  return figure
