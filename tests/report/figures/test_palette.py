"""The colours of figures are seen by everybody, in light and in dark."""

from __future__ import annotations

import pathlib
import re

import pytest

from gnn_readout.readouts import READOUTS
from gnn_readout.report import page
from gnn_readout.report.figures import palette, style
from tests import color_vision

USUAL = ("equilibrium", "attention", "sum", "pna", "fspool", "mean")
LIGHT = list(palette.DARK)
DARK = list(palette.DARK.values())
# WCAG 2.2: 4.5 for text (1.4.3), 3 for lines and marks (1.4.11).
TEXT, MARKS = 4.5, 3.0


def _variables(sheet: str) -> dict[str, str]:
  return dict(re.findall(r"--([\w-]+): (#\w{6});", sheet))


def _themes() -> dict[str, dict[str, str]]:
  """Returns the colours of the page, by theme."""
  sheet = pathlib.Path(page.__file__).with_name("page.css").read_text()
  light, dark = re.findall(r":root \{([^}]*)\}", sheet)[:2]
  return {"light": _variables(light), "dark": _variables(dark)}


def test_contrast_and_distance_are_right():
  # WCAG's own extremes, and grey that is known to pass by a little.
  assert color_vision.contrast("#ffffff", "#000000") == pytest.approx(21)
  assert color_vision.contrast("#767676", "#ffffff") == pytest.approx(
    4.54, abs=0.01
  )
  # L* of white is 100, of black 0; greys are grey to everybody.
  distance, *_ = color_vision.closest(["#ffffff", "#000000"])
  assert distance == pytest.approx(100, abs=0.01)
  # Red and green of the same lightness are confused by many, not by all.
  distance, vision, *_ = color_vision.closest(["#b35a00", "#6f7f00"])
  assert vision in ("protanopia", "deuteranopia") and distance < 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_and_marks_stand_out_from_the_page(theme):
  background = _themes()[theme]["background"]
  for color in LIGHT if theme == "light" else DARK:
    assert color_vision.contrast(color, background) >= MARKS, color


def test_they_stand_out_from_white_paper():
  looks = style.looks(list(READOUTS)).values()
  for color in {*LIGHT, *(look.color for look in looks)}:
    assert color_vision.contrast(color, "#ffffff") >= MARKS, color
  for share in (0, 0.25, 0.5, 0.75, 1):
    for theme in _themes().values():
      color = palette.mixed(share)
      background = theme["background"]
      assert color_vision.contrast(color, background) >= MARKS, color


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colour_blind_tell_them_apart(theme):
  tone = palette.DARK if theme == "dark" else dict(zip(LIGHT, LIGHT))
  looks = style.looks(USUAL)
  usual = [tone[looks[name].color] for name in USUAL]
  others = [tone[color] for color in palette.OTHERS]
  for group, least in ((usual, 15), (others, 15), ([*usual, *others], 7)):
    assert len(set(group)) == len(group)
    distance, *which = color_vision.closest(group)
    assert distance >= least, which


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_of_the_page_are_legible(theme):
  colors = _themes()[theme]
  for words in ("text", "quiet", "link"):
    for behind in ("background", "stripe"):
      ratio = color_vision.contrast(colors[words], colors[behind])
      assert ratio >= TEXT, (words, behind)


def test_the_page_knows_every_colour_of_a_figure():
  names = list(READOUTS)
  with style.context():
    figure = style.empty(height=2.0)
    axes = figure.subplots()
    for i, (name, look) in enumerate(style.looks(names).items()):
      axes.plot([0, 1], [i, i], color=look.color, marker=look.marker)
      axes.set_title(name)
    data = style.save(figure)
  shown = page.html_page(
    [page.Section("one", "One", [page.Figure("drawn", "Lines", data)])]
  )
  figure = shown[shown.index("<figure>") : shown.index("</figure>")]
  assert not re.findall(r"(?:fill|stroke): #\w+", figure)
  used = set(re.findall(r"var\((--tone-\w+)\)", figure))
  defined = re.findall(r"(--tone-\w+):", shown)
  assert used and all(defined.count(name) == 2 for name in used)
