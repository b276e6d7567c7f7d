"""The inner loop of Equilibrium Aggregation during training, from records.

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
  """A curve of a record; those of one panel have lines of their own.

  All are of equilibrium, in its colour.
  """

  name: str
  label: str
  style: str | tuple[int, tuple[float, ...]]


_HEIGHT = 3.6  # Inches, of each of the two that stand side by side.
_NORMS = (
  _Curve("inner_max_norm", "largest of the batch", style.DOTTED),
  _Curve("inner_mean_max_norm", "mean of the batch", "solid"),
)
_AUX_LOSS = _Curve("inner_aux_loss", "auxiliary loss", "solid")
_PARAMETERS = (
  _Curve("inner_learning_rate", "learning rate", "solid"),
  _Curve("inner_momentum", "momentum", "solid"),
  _Curve("inner_regulariser", "regularisation\nweight", "solid"),
)


def convergence(record: Record) -> dict[str, bytes]:
  """Draws the last inner gradient and the auxiliary loss of a run (Figure 5).

  Each has a panel with a logarithmic axis, against the training step. Above is
  the max-norm max_d |dE/dy_d| at the last inner step; the paper does not say
  how it puts the graphs of a batch together, so their mean and largest are
  there. Below is the auxiliary loss before its weight, the mean over the batch:
  it is of squared gradients, averaged over all inner steps (eq. 5), and no
  norm.

  Args:
    record: Record with the curves, see `has_curves`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure, (norms, loss) = _figure(record, 2)
    for axes, curves in ((norms, _NORMS), (loss, (_AUX_LOSS,))):
      axes.set_yscale("log")
      for curve in curves:
        _draw(axes, record, curve, positive=True)
    norms.set_ylabel("max-norm of the\nlast inner gradient")
    loss.set_ylabel("auxiliary loss,\nunweighted")
    figure.align_ylabels((norms, loss))
    handles, labels = norms.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return style.save(figure)


def inner_parameters(record: Record) -> dict[str, bytes]:
  """Draws the learned parameters of a run's inner loop (Figure 6, C.1).

  They are the learning rate softplus(raw), the momentum sigmoid(raw) and the
  weight softplus(lambda) of the regulariser |y|^2, against the training step.

  Args:
    record: Record with the curves, see `has_curves`.

  Returns:
    The files, by name extension: 'png' and 'svg'.
  """
  with style.context():
    figure, panels = _figure(record, len(_PARAMETERS))
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
  names = [curve.name for curve in (*_NORMS, _AUX_LOSS, *_PARAMETERS)]
  return all(curves.get(name) for name in names)


def title(record: Record) -> str:
  """Returns such as 'ogbg-moltox21, gcn, equilibrium readout'."""
  model, readout = molecules.model_name(record), molecules.readout_name(record)
  return f"{record['dataset']['name']}, {model}, {readout} readout"


def _figure(record: Record, panels: int) -> tuple[Any, Any]:
  """Returns an empty figure and its panels."""
  from matplotlib import ticker

  result = style.empty(_HEIGHT)
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
    color=style.looks(["equilibrium"])["equilibrium"].color,
    linestyle=curve.style,
    label=curve.label,
    marker=marker,
    markersize=3,
  )
  return values
