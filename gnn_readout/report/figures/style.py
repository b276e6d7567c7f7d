"""What all figures have in common: size, style, and bytes that repeat.

A browser shows the values of an SVG under the pointer. The same data gives the
same bytes with the same version of matplotlib.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from gnn_readout.report.figures import palette, svg

FORMATS = ("png", "svg")


class Look(NamedTuple):
  """How a readout is drawn, in every figure.

  Attributes:
    color: Its own, see `looks`.
    line: Line style.
    marker: What a single value is marked with.
  """

  color: str
  line: str | tuple[int, tuple[float, ...]]
  marker: str


DASHED, DOTTED = (0, (5, 1.5)), (0, (1, 1))
PUBLISHED = Look("black", DOTTED, "D")
_READOUTS = {
  "equilibrium": palette.BLUE,
  "attention": palette.RED,
  "sum": palette.GREEN,
  "pna": palette.PINK,
  "fspool": palette.BROWN,
  "mean": palette.PETROL,
}
_SHAPES = (
  ("solid", "o"),
  (DASHED, "s"),
  (DOTTED, "^"),
  ((0, (5, 1, 1, 1)), "P"),
  ((0, (3, 1, 1, 1, 1, 1)), "v"),
  ((0, (8, 2)), "X"),
  ((0, (2, 2)), "p"),
  ((0, (8, 2, 1, 2)), "*"),
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


def looks(names: Sequence[str]) -> dict[str, Look]:
  """Returns how each of the names is drawn.

  What comes before a comma is a readout, which has one colour in all figures.
  Line and marker are its own as well, unless a name before has taken them: the
  names of one figure differ in them even where they share the readout.

  Args:
    names: Names, such as 'sum' and 'equilibrium, squared', in the figure's
      order.
  """
  result: dict[str, Look] = {}
  free = list(range(len(_SHAPES)))
  # A readout as it is keeps its own shape before a variant of another.
  for name in sorted(names, key=lambda name: "," in name):
    readout = name.partition(",")[0]
    if readout in _READOUTS:
      own, color = list(_READOUTS).index(readout), _READOUTS[readout]
    else:
      own = zlib.crc32(readout.encode()) % len(palette.OTHERS)
      color = palette.OTHERS[own]
    free = free or list(range(len(_SHAPES)))
    shape = own if own in free else free[-1]
    free.remove(shape)
    result[name] = Look(color, *_SHAPES[shape])
  return {name: result[name] for name in names}


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
    text: Text, such as the name of a dataset, in which dollars may stand.
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
