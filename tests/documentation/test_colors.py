"""The figures of the documentation are seen by everybody, in light and dark."""

from __future__ import annotations

import re

import pytest

from documentation import cost_figure, toy
from documentation.readout_pages import ROOT
from gnn_readout.report.figures import palette
from gnn_readout.report.results import molecules
from tests import color_vision

# Of the theme: white, and slate's hsl(225, 15%, 14%).
BACKGROUNDS = {"light": "#ffffff", "dark": "#1e2129"}
SHEET = (ROOT / "docs" / "stylesheets" / "extra.css").read_text()


def _variables() -> dict[str, dict[str, str]]:
  light, dark = (
    dict(re.findall(r"(--\w+): (#\w{6});", block))
    for block in re.findall(r"^[^{]*\{([^}]*)\}", SHEET)[:1]
    + re.findall(r'\[data-md-color-scheme="slate"\] \{([^}]*)\}', SHEET)
  )
  return {"light": light, "dark": dark}


@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_colors_of_the_toy_figure(theme):
  colors = _variables()[theme]
  assert list(colors) == ["--first", "--second", "--third"]
  for color in colors.values():
    # WCAG 2.2, 1.4.11: lines and marks.
    assert color_vision.contrast(color, BACKGROUNDS[theme]) >= 3, color
  distance, *which = color_vision.closest(colors.values())
  assert distance >= 10, which


def test_curves_of_the_toy_figure_differ_in_their_dashes():
  rules = re.findall(r"\.curve-(\d) \{([^}]*)\}", SHEET)
  assert [int(number) for number, _ in rules] == list(range(1, toy._CURVES + 1))
  dashes = [re.findall(r"dasharray: ([\d ]+)", rule) for _, rule in rules]
  assert len(set(map(tuple, dashes))) == len(rules)


def test_the_figure_of_readme_has_the_colors_of_the_report():
  text = (ROOT / "docs" / "images" / "cost_and_score.svg").read_text()
  drawn = set(re.findall(r"(?:fill|stroke): (#\w{6})", text))
  own = {color.lower() for color in palette.DARK}
  neutral = {"#000000", "#ffffff", "#e0e0e0"}  # Words, paper and grid.
  assert drawn & own and drawn <= own | neutral
  names = {
    molecules.readout_name(row.record)
    for rows in cost_figure.rows().values()
    for row in rows
  }
  assert len(drawn & own) == len(names)
