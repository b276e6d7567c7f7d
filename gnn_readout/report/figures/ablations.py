"""What more inner steps bring: table E.1 as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gnn_readout.report.figures import style


class Line(NamedTuple):
  """Scores against inner steps.

  Attributes:
    name: Name of the dataset and the model.
    metric: What is scored.
    points: Mean and sample standard deviation (None for a single seed) by
      steps.
  """

  name: str
  metric: str
  points: Mapping[int, tuple[float, float | None]]


def inner_steps(ours: Sequence[Line], published: Line) -> dict[str, bytes]:
  """Draws ours above and the published line below, each with its own scale.

  Datasets and metrics are not the same: what compares is the shape.

  Args:
    ours: Our lines, at least one.
    published: Table E.1.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure = style.empty(height=3.2)
    top, bottom = figure.subplots(2, sharex=True)
    for axes, lines in ((top, ours), (bottom, [published])):
      metrics = dict.fromkeys(line.metric for line in lines)
      axes.set_ylabel(style.plain(f"valid {', '.join(metrics)}"))
      axes.set_xscale("log")
    # All of them are of equilibrium, in its colour.
    names = [f"equilibrium, {line.name}" for line in ours]
    looks = [*style.looks(names).values(), style.PUBLISHED]
    places = [*([top] * len(ours)), bottom]
    for axes, line, look in zip(places, [*ours, published], looks, strict=True):
      steps = sorted(line.points)
      axes.errorbar(
        steps,
        [line.points[s][0] for s in steps],
        [line.points[s][1] or 0 for s in steps],
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=4,
        elinewidth=0.8,
      )
      axes.lines[-1].set_label(style.plain(line.name))
    steps = sorted({s for line in (*ours, published) for s in line.points})
    bottom.set_xticks(steps, [str(s) for s in steps])
    bottom.xaxis.minorticks_off()
    bottom.set_xlabel("inner steps")
    top.minorticks_off()
    figure.align_ylabels()
    handles = [line for axes in (top, bottom) for line in axes.lines]
    figure.legend(
      handles, [h.get_label() for h in handles], loc="outside upper center"
    )
    return style.save(figure)
