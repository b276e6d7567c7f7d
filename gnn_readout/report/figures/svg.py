"""Figures of matplotlib in a page: with values, and with the page's colours."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from gnn_readout.report.figures import palette

_POINTS = 72  # To an inch: the unit of matplotlib's SVG.
_RADIUS = 4  # Points around a value in which the pointer finds it.

# What matplotlib draws in these colours follows the page, in light and dark.
_COLORS = {
  "#000000": "currentColor",
  "#ffffff": "var(--background)",
  "#e0e0e0": "var(--rule)",  # The grid of `style.context`.
  **{c.lower(): f"var({palette.variable(c)})" for c in palette.DARK},
}


def with_values(svg: bytes, figure: Any) -> bytes:
  """Adds an invisible spot with a title to everything that has a value.

  Those are the points of lines and of scatter plots.

  Args:
    svg: As `figure` was saved.
    figure: From matplotlib, drawn.
  """
  spots = [spot for axes in figure.axes for spot in _points(axes)]
  if not spots:
    return svg
  scale = _POINTS / figure.dpi
  # Pixels from the bottom become points from the top.
  place = (
    f"matrix({scale:g} 0 0 {-scale:g} 0 {_POINTS * figure.get_figheight():g})"
  )
  group = f'<g id="values" fill-opacity="0" transform="{place}">'
  lines = "\n".join([group, *spots, "</g>\n</svg>\n"])
  return svg.decode().rpartition("</svg>")[0].encode() + lines.encode()


def inline(svg: bytes, name: str, caption: str) -> str:
  """Returns an SVG as an element of a page.

  Args:
    svg: A whole file.
    name: Goes before all its ids, which are the same in other figures.
    caption: What a screen reader reads instead.
  """
  text = svg.decode()
  text = text[text.index("<svg") :].strip()
  text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)
  # The page decides how large it is; its shape is in the viewBox.
  text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
  for color, ours in _COLORS.items():
    text = text.replace(color, ours)
  label = html.escape(caption)
  return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _points(axes: Any) -> Iterator[str]:
  """Yields an element for each point of a line or of a scatter plot."""
  from matplotlib.collections import PathCollection

  drawn = [
    (line, line.get_transform(), line.get_xydata()) for line in axes.lines
  ]
  drawn += [
    (dots, dots.get_offset_transform(), dots.get_offsets())
    for dots in axes.collections
    if isinstance(dots, PathCollection)
  ]
  radius = _RADIUS * axes.figure.dpi / _POINTS
  for artist, transform, data in drawn:
    if transform is not axes.transData:  # A line across the panel.
      continue
    label = artist.get_label()
    start = "" if label.startswith("_") else f"{label}: "
    across = axes.get_xlabel()
    for x, y in data:
      left, up = transform.transform((x, y))
      if axes.bbox.contains(left, up):
        place = f"{across} {x:,.10g}, " if across else ""
        title = _title(f"{start}{place}{y:.4g}")
        where = f'cx="{left:.1f}" cy="{up:.1f}" r="{radius:g}"'
        yield f"<circle {where}>{title}</circle>"


def _title(text: str) -> str:
  text = text.replace(r"\$", "$")  # As `style.plain` has it.
  return f"<title>{html.escape(text, quote=False)}</title>"
