"""A page of each readout says what its class and the record say."""

from __future__ import annotations

import importlib
import json
import re

import numpy as np
import pytest

from documentation import readout_pages, toy
from gnn_readout.readouts import listing, readout_class

NAMES = [name for names in listing.families().values() for name in names]


@pytest.fixture(scope="module")
def pages():
  return readout_pages.pages(draw=lambda name: f"<svg>{name}</svg>")


def test_there_is_a_page_for_each(pages):
  assert set(pages) == {f"readouts/{name}.md" for name in [*NAMES, "index"]}
  in_navigation = re.findall(
    r"readouts/\w+\.md", json.dumps(readout_pages.navigation())
  )
  assert sorted(in_navigation) == sorted(pages)


def test_the_api_has_the_module_of_each_once():
  modules = re.findall(r"^::: (\S+)$", readout_pages.api(), re.M)
  assert len(modules) == len(set(modules))
  for name in NAMES:
    assert readout_class(name).__module__ in modules
  for module in modules:
    assert importlib.import_module(module).__doc__, module


@pytest.mark.parametrize("name", NAMES)
def test_it_has_what_the_class_says(pages, name):
  text, readout = pages[f"readouts/{name}.md"], readout_class(name)
  assert text.startswith(f"# {name}\n") and f"<svg>{name}</svg>" in text
  assert readout.reduces_to in text
  assert readout.reference()[:20] in text
  for argument in readout.arguments():
    assert f"| `{argument}` |" in text
  assert f">>> from {readout.__module__} import" in text
  assert f"[`{name}`]({name}.md)" in pages["readouts/index.md"]


def test_every_argument_has_a_meaning(pages):
  for name in NAMES:
    for row in re.findall(
      r"^\| `\w+` \|.*$", pages[f"readouts/{name}.md"], re.M
    ):
      assert not re.search(r"\|\s*\|$", row), (name, row)


def test_costs_are_those_of_the_record(pages):
  path = readout_pages.ROOT / "results" / "records" / "readouts.json"
  rows = {r["name"]: r for r in json.loads(path.read_text())["rows"]}
  attention, base = rows["attention"], rows["sum"]
  parts = [
    f"{attention['parameters']:,}",
    f"{attention['forward'] / base['forward']:.1f}",
    f"{attention['training'] / base['training']:.1f}",
  ]
  assert f"| {' | '.join(parts)} |" in pages["readouts/attention.md"]
  for name in set(NAMES) - set(rows):
    assert "No record has its cost yet" in pages[f"readouts/{name}.md"]


def test_the_toy_set_of_max_by_hand():
  values = toy.respond("max").values
  x = np.maximum(toy.PLACES, toy.SET[1:, 0].max())
  np.testing.assert_allclose(values[:, 0], x, atol=1e-6)
  np.testing.assert_allclose(values[:, 1], toy.SET[:, 1].max(), atol=1e-6)


def test_a_figure_has_a_curve_for_each_component_and_a_dot_for_each_element():
  response = toy.Response(toy.sets_of_places().sum(axis=1), None)
  text = toy.svg(response, "a <label>")
  assert text.count("<polyline") == 3 and text.count("<circle") == len(toy.SET)
  assert "a &lt;label&gt;" in text and "\n\n" not in text
  curve = re.search(r'curve-1" points="([^"]*)"', text)[1].split()
  xy = np.array([point.split(",") for point in curve], float)
  slopes = np.diff(xy[:, 1]) / np.diff(xy[:, 0])
  assert slopes.max() < 0  # A sum grows; down is the other way.
  np.testing.assert_allclose(slopes, slopes[0], rtol=0.1)
