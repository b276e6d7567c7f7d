"""Values in figures, and figures in a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from gnn_readout.report.figures import style, svg

NAME = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture():
  """A line at known places, dots, and what has no value."""
  with style.context():
    figure = style.empty(height=2.0)
    axes = figure.subplots()
    axes.plot([0, 1000], [0.25, 1], label="a < b")
    axes.plot([1], [float("nan")], label="nowhere")
    axes.scatter([500], [0.5])
    axes.axhline(0.75)
    axes.bar([400], [0.7], 100)
    axes.set_xlim(0, 1000)
    axes.set_ylim(0, 1)
    axes.set_xlabel("step")
    return figure, style.save(figure)["svg"]


def _values(data: bytes) -> dict[str, ElementTree.Element]:
  (group,) = (
    g for g in ElementTree.fromstring(data).iter(f"{NAME}g")
    if g.get("id") == "values"
  )  # fmt: skip
  return {spot.find(f"{NAME}title").text: spot for spot in group}


def test_what_has_a_value_says_it(picture):
  assert set(_values(picture[1])) == {
    "a < b: step 0, 0.25",
    "a < b: step 1,000, 1",
    "step 500, 0.5",
  }


def test_values_lie_where_they_are_drawn(picture):
  figure, data = picture
  scale = 72 / figure.dpi
  # The frame as matplotlib drew it: its first path below the axes.
  text = data.decode()
  path = re.search(r'id="patch_2">\s*<path d="([^"]+)"', text)[1]
  numbers = [float(x) for x in re.findall(r"-?[\d.]+", path)]
  left, right = min(numbers[::2]), max(numbers[::2])
  top, bottom = min(numbers[1::2]), max(numbers[1::2])
  place = re.search(r'id="values"[^>]*matrix\(([^)]*)\)', text)[1]
  a, _, _, d, _, f = map(float, place.split())
  assert (a, d) == pytest.approx((scale, -scale), rel=1e-4)
  spot = _values(data)["step 500, 0.5"]
  x, y = a * float(spot.get("cx")), d * float(spot.get("cy")) + f
  assert x == pytest.approx((left + right) / 2, abs=0.2)
  assert y == pytest.approx((top + bottom) / 2, abs=0.2)


def test_a_page_can_hold_several(picture):
  pages = [svg.inline(picture[1], name, 'of "x"') for name in ("one", "two")]
  ids = [set(re.findall(r' id="([^"]+)"', page)) for page in pages]
  assert ids[0] and not ids[0] & ids[1]
  for page, its_ids in zip(pages, ids, strict=True):
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert used <= its_ids
    root = ElementTree.fromstring(page)
    assert root.get("aria-label") == 'of "x"'
    assert root.get("viewBox") and root.get("width") is None
    assert "#000000" not in page and "#ffffff" not in page
