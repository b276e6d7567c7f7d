"""How the inner loop of Equilibrium Aggregation fares, drawn from records.

Two figures for a run: whether the inner loop converges (Figure 5 of the paper)
and what becomes of its learned parameters (Figure 6, C.1 in the supplement).
The same record gives the same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import html
import math
import os
import pathlib
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gnn_readout import files
from gnn_readout.records import LOWER_IS_BETTER, Record
from gnn_readout.report import markup
from gnn_readout.report.figures import style as figures
from gnn_readout.report.results import molecules as tables

SECTION = "inner_loop"


class _Curve(NamedTuple):
  """How a curve of a record is drawn; no two share colour or line style.

  The colours are from the palette of Okabe and Ito, which the colour-blind can
  tell apart; in print without colours the line styles can be.
  """

  name: str
  label: str
  color: str
  style: str | tuple[int, tuple[float, ...]]


_DASHED, _DOTTED = (0, (5, 1.5)), (0, (1, 1))

_CONVERGENCE = (
  _Curve(
    "inner_max_norm",
    "max-norm of the last gradient, largest of the batch",
    "#E69F00",
    _DOTTED,
  ),
  _Curve(
    "inner_mean_max_norm",
    "max-norm of the last gradient, mean of the batch",
    "#0072B2",
    "solid",
  ),
  _Curve(
    "inner_aux_loss",
    "auxiliary loss, unweighted, mean of the batch",
    "#D55E00",
    _DASHED,
  ),
)
_PARAMETERS = (
  _Curve("inner_learning_rate", "learning rate", "#0072B2", "solid"),
  _Curve("inner_momentum", "momentum", "#D55E00", _DASHED),
  _Curve("inner_regulariser", "regularisation\nweight", "#009E73", _DOTTED),
)


def convergence(record: Record) -> dict[str, bytes]:
  """Draws the inner gradient and auxiliary loss of a run (Figure 5).

  Both against the training step, on a logarithmic axis. The last gradient is
  that of the last inner step, max_d |dE/dy_d|; the paper does not say how it
  puts the graphs of a batch together, so their mean and largest are there.

  Args:
    record: With the curves, see `has_curves`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with figures.style():
    figure, (axes,) = _figure(record, 1, height=2.6)
    axes.set_yscale("log")
    axes.set_ylabel("size of the inner gradient")
    for curve in _CONVERGENCE:
      _draw(axes, record, curve, positive=True)
    figure.legend(loc="outside lower left")
    return figures.save(figure)


def inner_parameters(record: Record) -> dict[str, bytes]:
  """Draws the learned parameters of a run's inner loop (Figure 6, C.1).

  They are the learning rate softplus(raw), the momentum sigmoid(raw) and the
  weight softplus(lambda) of the regulariser |y|^2, against the training step.

  Args:
    record: With the curves, see `has_curves`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with figures.style():
    figure, panels = _figure(record, len(_PARAMETERS), height=3.6)
    for axes, curve in zip(panels, _PARAMETERS, strict=True):
      values = _draw(axes, record, curve)
      axes.set_ylabel(curve.label)
      # What hardly moves should look so, and not fill its panel with noise.
      low, high = min(values, default=0), max(values, default=0)
      margin = max(0.1 * (high - low), 0.01 * abs(high), 1e-6)
      axes.set_ylim(low - margin, high + margin)
    figure.align_ylabels(panels)
    return figures.save(figure)


# What the name of a file ends in, and what draws it.
FIGURES = {"convergence": convergence, "inner_parameters": inner_parameters}


def has_curves(record: Record) -> bool:
  """Returns whether a record has all that the figures show."""
  curves = record["curves"].get("diagnostics", {})
  return all(curves.get(c.name) for c in (*_CONVERGENCE, *_PARAMETERS))


def write_figures(
  results_dir: str | os.PathLike[str], records: Iterable[Record]
) -> list[pathlib.Path]:
  """Draws all runs of an inner loop and lists them in the README.

  Of the configurations with the same dataset, model and readout the one with
  the best validation score is drawn, of its seeds the lowest with curves; runs
  of less than an epoch are not. The files are
  results_dir/figures/NAME_convergence.png and so on, NAME that of the record; a
  section of results_dir/README.md shows them.

  Args:
    results_dir: The folder that holds `records`.
    records: As `tables.read_records` returns them, in any order.

  Returns:
    The files written.

  Raises:
    ValueError: If two configurations have records of the same name.
  """
  results_dir = pathlib.Path(results_dir)
  shown = (r for r in records if tables.is_scored(r) and has_curves(r))
  groups = tables.by_configuration(shown)
  best: dict[str, Record] = {}
  for record in sorted((group[0] for group in groups), key=_rank):
    best.setdefault(_title(record), record)
  drawn: dict[str, Record] = {}
  for _, record in sorted(best.items()):
    if record["name"] in drawn:
      raise ValueError(
        f"name must differ between configurations, got {record['name']!r} in"
        f" the records of {_title(drawn[record['name']])!r} and"
        f" {_title(record)!r}; rename one"
      )
    drawn[record["name"]] = record
  paths = []
  for name, record in drawn.items():
    for kind, draw in FIGURES.items():
      for extension, data in draw(record).items():
        paths.append(results_dir / "figures" / f"{name}_{kind}.{extension}")
        files.atomic_write_bytes(paths[-1], data)
  section = _section(list(drawn.values()))
  markup.write_section(results_dir / "README.md", SECTION, section)
  return paths


def _section(records: Sequence[Record]) -> str:
  if not records:
    return "No record has the curves of an inner loop."
  lines = [
    "Left, does the inner loop converge (Figure 5 of the paper); right, its",
    "learned parameters (Figure 6 there, C.1 in the supplement). Of several",
    "configurations the best on validation, of several seeds the lowest.",
  ]
  for record in records:
    lines += ["", f"**{_title(record)}**, seed {record['seed']},"]
    lines += [f"{record['steps']:,} steps: `{record['command']}`", ""]
    for kind in FIGURES:
      image = urllib.parse.quote(f"figures/{record['name']}_{kind}")
      text = html.escape(f"{kind.replace('_', ' ')} of {record['name']}")
      picture = f'<img src="{image}.png" width="49%" alt="{text}">'
      lines.append(f'<a href="{image}.svg">{picture}</a>')
  return "\n".join(lines)


def _rank(record: Record) -> tuple[float, str]:
  """Sorts the best validation score first."""
  sign = 1 if record["test"]["metric"] in LOWER_IS_BETTER else -1
  return sign * record["best"]["valid"], record["name"]


def _title(record: Record) -> str:
  readout = record["config"]["model"]["readout"]["name"]
  model = tables.model_name(record)
  return f"{record['dataset']['name']}, {model}, {readout} readout"


def _figure(record: Record, panels: int, height: float) -> tuple[Any, Any]:
  """Returns an empty figure, `height` inches high, and its panels."""
  from matplotlib import ticker

  result = figures.empty(height)
  axes = result.subplots(panels, sharex=True, squeeze=False)[:, 0]
  # Over all the width, where the longest names have room.
  result.suptitle(_title(record))
  axes[-1].set_xlabel("training step")
  axes[-1].set_xlim(0, max(record["steps"], 1))
  axes[-1].xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
  axes[-1].xaxis.set_major_formatter(ticker.EngFormatter(sep=""))  # 2M, 500k
  return result, axes


def _draw(
  axes: Any, record: Record, curve: _Curve, positive: bool = False
) -> list[float]:
  """Draws a curve where it is finite (and positive); returns its values."""
  points = [
    (step, value)
    for step, value in record["curves"]["diagnostics"][curve.name]
    if math.isfinite(value) and (value > 0 or not positive)
  ]
  steps, values = [p[0] for p in points], [p[1] for p in points]
  marker = "o" if len(points) == 1 else None
  axes.plot(
    steps,
    values,
    color=curve.color,
    linestyle=curve.style,
    label=curve.label,
    marker=marker,
    markersize=3,
  )
  return values
