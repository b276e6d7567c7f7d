"""Accuracies on the TU collection, as bars beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.report import markup
from gnn_readout.report.figures import style
from gnn_readout.report.results.crossvals import PUBLISHED_BY

_BAR = 0.8  # Of the room of a dataset, for the bars of that with most.


def bars(rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
  """Draws the accuracies of each dataset, a bar for each row.

  Lines are sample deviations; a diamond is the published mean.

  Args:
    rows: From `crossvals.rows`; those of another metric are left out.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  rows = [row for row in rows if row["metric"] == "accuracy"]
  names = list(dict.fromkeys(_name(row) for row in rows))
  looks = dict(zip(names, style.LOOKS * len(names), strict=False))
  groups: dict[str, list[dict[str, Any]]] = {}
  for row in rows:
    groups.setdefault(_dataset(row), []).append(row)
  with style.context():
    figure = style.empty(height=2.4)
    axes = figure.subplots()
    handles = {}
    width = _BAR / max(map(len, groups.values()), default=1)
    for place, group in enumerate(groups.values()):
      for number, row in enumerate(group):
        x = place + width * (number - (len(group) - 1) / 2)
        color, _, _ = looks[_name(row)]
        bar = _bar(axes, row, x, 0.9 * width, color)
        handles.setdefault(_name(row), bar)
        if row["published"] is not None:
          handles["published"] = _diamond(axes, row, x + width / 4)
    axes.set_xticks(range(len(groups)), list(groups), rotation=30, ha="right")
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set_axisbelow(True)
    axes.set_ylim(0, 100)
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
  differs = row["protocol"] != PUBLISHED_BY[row["model"]]
  return style.plain(f"{name}, {row['protocol']}" if differs else name)


def _bar(
  axes: Any, row: dict[str, Any], x: float, width: float, color: str
) -> Any:
  value, deviation = 100 * row["test"], row["deviation"]
  error = None if deviation is None else 100 * deviation
  (bar,) = axes.bar(
    x, value, width, yerr=error, color=color, error_kw={"linewidth": 0.8}
  )
  score = markup.plus_minus(value, error, 1)
  bar.set_label(f"{_dataset(row)}, {_name(row)}: {score}")
  return bar


def _diamond(axes: Any, row: dict[str, Any], x: float) -> Any:
  value, deviation = 100 * row["published"], row["published_deviation"]
  drawn = axes.errorbar(
    x,
    value,
    None if deviation is None else 100 * deviation,
    fmt="D",
    markersize=3,
    color="black",
    markerfacecolor="white",
    elinewidth=0.8,
  )
  line = drawn.lines[0]
  readout = style.plain(row["readout"])
  line.set_label(f"{_dataset(row)}, {readout}, published")
  return line
