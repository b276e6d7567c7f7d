"""What all figures have in common: size, style, and bytes that repeat.

The same data gives the same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import io
from typing import Any

FORMATS = ("png", "svg")

# A column of a journal is about 3.4 inches wide; 7 points are legible there.
_WIDTH = 3.4
_STYLE = {
  "axes.grid": True,
  "axes.linewidth": 0.6,
  "axes.spines.right": False,
  "axes.spines.top": False,
  "axes.formatter.useoffset": False,
  "figure.titlesize": 7.5,
  "font.size": 7,
  "grid.color": "0.88",
  "grid.linewidth": 0.5,
  "legend.frameon": False,
  "legend.handlelength": 2.6,
  "lines.linewidth": 1.3,
  "savefig.dpi": 300,
  "svg.hashsalt": "gnn_readout",  # Names of elements are random without it.
}


def style() -> Any:
  """Returns a context in which no setting of the user's has a say."""
  import matplotlib.style

  return matplotlib.style.context(["default", _STYLE])


def empty(height: float) -> Any:
  """Returns a figure as wide as a column, `height` inches high."""
  from matplotlib import figure
  from matplotlib.backends.backend_agg import FigureCanvasAgg

  result = figure.Figure((_WIDTH, height), layout="constrained")
  FigureCanvasAgg(result)
  return result


def save(figure: Any) -> dict[str, bytes]:
  """Returns a figure's files by extension, without date or program version."""
  nothing = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
  }
  result = {}
  for extension in FORMATS:
    file = io.BytesIO()
    figure.savefig(file, format=extension, metadata=nothing[extension])
    result[extension] = file.getvalue()
  return result
