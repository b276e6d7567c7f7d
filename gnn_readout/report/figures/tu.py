"""Accuracies on the TU collection, beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.report.figures import style
from gnn_readout.report.results.crossvals import PUBLISHED_BY

_SHARE = 0.8  # Of the room of a dataset, for the marks of that with most.


def accuracies(rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
  """Draws the accuracies of each dataset, a mark for each row.

  Lines are sample standard deviations; a diamond is the published mean. The
  axis holds what is drawn, and need not begin at 0: no bar says that it does.

  Args:
    rows: From `crossvals.rows`; those of another metric are left out.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  rows = [row for row in rows if row["metric"] == "accuracy"]
  looks = style.looks(sorted({_name(row) for row in rows}))
  groups: dict[str, list[dict[str, Any]]] = {}
  for row in rows:
    groups.setdefault(_dataset(row), []).append(row)
  with style.context():
    figure = style.empty(height=2.6)
    axes = figure.subplots()
    handles = {}
    width = _SHARE / max(map(len, groups.values()), default=1)
    for place, (dataset, group) in enumerate(groups.items()):
      for number, row in enumerate(group):
        x = place + width * (number - (len(group) - 1) / 2)
        name = _name(row)
        mark = _mark(axes, row, ("test", "deviation"), x, looks[name])
        mark.lines[0].set_label(f"{dataset}, {name}{_plus_minus(row)}")
        handles.setdefault(name, mark)
        if row["published"] is not None:
          columns = ("published", "published_deviation")
          mark = _mark(axes, row, columns, x + width / 3, style.PUBLISHED)
          mark.lines[0].set_markerfacecolor("white")
          readout = style.plain(row["readout"])
          mark.lines[0].set_label(f"{dataset}, {readout}, published")
          handles["published"] = mark
    if published := handles.pop("published", None):
      handles["published"] = published  # At the end of the legend.
    axes.set_xticks(range(len(groups)), list(groups), rotation=30, ha="right")
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    for place in range(1, len(groups)):
      axes.axvline(place - 0.5, color="0.88", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_ylabel("test accuracy (%)")
    figure.legend(
      list(handles.values()),
      list(handles),
      loc="outside upper center",
      ncols=min(len(handles), 3),
    )
    return style.save(figure)


def _dataset(row: dict[str, Any]) -> str:
  return style.plain(row["dataset"].removeprefix("tu/"))


def _name(row: dict[str, Any]) -> str:
  """The readout; what is not of the thesis' model and protocol says so."""
  name = row["readout"] + ", GIN-0" * (row["model"] == "gin0")
  name += f", eps = {row['eps']}" * (row["eps"] != "zero")
  differs = row["protocol"] != PUBLISHED_BY[row["model"]]
  return style.plain(f"{name}, {row['protocol']}" if differs else name)


def _mark(
  axes: Any,
  row: dict[str, Any],
  columns: tuple[str, str],
  x: float,
  look: style.Look,
) -> Any:
  """Draws a mean and its standard deviation, of fractions, in percent."""
  value, deviation = (row[column] for column in columns)
  return axes.errorbar(
    x,
    100 * value,
    None if deviation is None else 100 * deviation,
    fmt=look.marker,
    markersize=4,
    color=look.color,
    elinewidth=0.8,
  )


def _plus_minus(row: dict[str, Any]) -> str:
  if row["deviation"] is None:
    return ""
  return f", std {100 * row['deviation']:.1f}"
