"""What all figures have in common: size, style, and bytes that repeat.

A browser shows the values of an SVG under the pointer. The same data gives the
same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import io
from typing import Any

from gnn_readout.report.figures import svg

FORMATS = ("png", "svg")

# Colours of Okabe and Ito, which the colour-blind can tell apart; in print
# without colours the line styles and markers can be.
LOOKS = (
  ("#0072B2", "solid", "o"),
  ("#D55E00", (0, (5, 1.5)), "s"),
  ("#009E73", (0, (1, 1)), "^"),
  ("#CC79A7", (0, (5, 1, 1, 1)), "D"),
  ("#E69F00", (0, (3, 1, 1, 1, 1, 1)), "v"),
  ("#56B4E9", (0, (8, 2)), "P"),
)

# A column of a journal is about 3.4 inches wide; 7 points are legible there.
_WIDTH = 3.4
_LONGEST = 80  # Characters of a text from a record.
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


def context() -> Any:
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


def plain(text: str) -> str:
  """Returns a text of a record for a figure: short, and never a formula.

  Args:
    text: Such as the name of a dataset, in which dollars may stand.
  """
  shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
  if len(shown) > _LONGEST:
    shown = f"{shown[: _LONGEST - 1]}…"
  if shown.startswith("_"):  # Matplotlib hides what is called so.
    shown = f" {shown}"
  return shown.replace("$", r"\$")


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
  result["svg"] = svg.with_values(result["svg"], figure)
  return result
