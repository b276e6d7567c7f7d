"""How the inner loop of Equilibrium Aggregation fares, drawn from records.

Two figures for a run: whether the inner loop converges (Figure 5 of the paper)
and what becomes of its learned parameters (Figure 6, C.1 in the supplement).
The same record gives the same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gnn_readout.records import Record
from gnn_readout.report.figures import style
from gnn_readout.report.results import molecules


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
  with style.context():
    figure, (axes,) = _figure(record, 1, height=2.6)
    axes.set_yscale("log")
    axes.set_ylabel("size of the inner gradient")
    for curve in _CONVERGENCE:
      _draw(axes, record, curve, positive=True)
    figure.legend(loc="outside lower left")
    return style.save(figure)


def inner_parameters(record: Record) -> dict[str, bytes]:
  """Draws the learned parameters of a run's inner loop (Figure 6, C.1).

  They are the learning rate softplus(raw), the momentum sigmoid(raw) and the
  weight softplus(lambda) of the regulariser |y|^2, against the training step.

  Args:
    record: With the curves, see `has_curves`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure, panels = _figure(record, len(_PARAMETERS), height=3.6)
    for axes, curve in zip(panels, _PARAMETERS, strict=True):
      values = _draw(axes, record, curve)
      axes.set_ylabel(curve.label)
      # What hardly moves should look so, and not fill its panel with noise.
      low, high = min(values, default=0), max(values, default=0)
      margin = max(0.1 * (high - low), 0.01 * abs(high), 1e-6)
      axes.set_ylim(low - margin, high + margin)
    figure.align_ylabels(panels)
    return style.save(figure)


def has_curves(record: Record) -> bool:
  """Returns whether a record has all that the figures show."""
  curves = record["curves"]["diagnostics"]
  return all(curves.get(c.name) for c in (*_CONVERGENCE, *_PARAMETERS))


def title(record: Record) -> str:
  """Returns such as 'ogbg-moltox21, gcn, equilibrium readout'."""
  model, readout = molecules.model_name(record), molecules.readout_name(record)
  return f"{record['dataset']['name']}, {model}, {readout} readout"


def _figure(record: Record, panels: int, height: float) -> tuple[Any, Any]:
  """Returns an empty figure, `height` inches high, and its panels."""
  from matplotlib import ticker

  result = style.empty(height)
  axes = result.subplots(panels, sharex=True, squeeze=False)[:, 0]
  # Over all the width, where the longest names have room.
  result.suptitle(style.plain(title(record)))
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
