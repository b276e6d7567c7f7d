"""Molecules with coloured atoms."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gnn_readout.report.figures import molecules, palette

pytest.importorskip("rdkit")


def test_colors_of_weights():
  found = np.array(molecules.colors(np.array([0.0, 0.5, 1.0, -1.0])))
  hues = {
    name: np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    for name, color in (("blue", palette.BLUE), ("red", palette.RED))
  }
  np.testing.assert_allclose(found[0], 1)  # White.
  np.testing.assert_allclose(found[2], 0.25 + 0.75 * hues["blue"])
  np.testing.assert_allclose(found[3], 0.25 + 0.75 * hues["red"])
  np.testing.assert_allclose(found[1], (found[0] + found[2]) / 2)
  # All alike are all at their largest; none at all is white.
  alike = np.array(molecules.colors(np.full(3, 0.1)))
  np.testing.assert_allclose(alike, found[[2, 2, 2]])
  np.testing.assert_allclose(molecules.colors(np.zeros(2)), 1)
  np.testing.assert_allclose(molecules.colors(np.array([np.nan, 1.0])), 1)


def _fills(svg):
  """By atom, the fill of its disc."""
  found = re.findall(
    r"<ellipse[^>]*class='atom-(\d+)'[^>]*fill:(#\w{6})", svg
  ) or re.findall(r"<path class='atom-(\d+)'[^>]*fill:(#\w{6})", svg)
  return dict(found)


def test_every_atom_has_its_color():
  weights = np.array([[0.0, 0.0], [0.25, 0.75], [1.0, 1.0]])
  svg = molecules.draw("CCO", weights, "row 7: predicted y 0.5")
  fills = _fills(svg)
  assert {*fills} == {"0", "1", "2"}
  colors = molecules.colors(weights.mean(axis=1))
  for atom, fill in fills.items():
    channels = [int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    np.testing.assert_allclose(channels, colors[int(atom)], atol=0.01)


def test_a_molecule_and_weights_of_another():
  for smiles in ("CCC", "C("):
    with pytest.raises(ValueError, match=r"has no 2 atoms to colour"):
      molecules.draw(smiles, np.ones(2))


def test_files_are_called_by_their_rows(tmp_path):
  count = molecules.write(
    tmp_path / "new",
    [3, 12, 100],
    ["C", "FAIL", "CC"],
    [np.ones((1, 1)), np.ones((0, 1)), np.ones((2, 1))],
    ["a", "b", "c" * 200],
  )
  names = sorted(file.name for file in (tmp_path / "new").iterdir())
  assert count == 2 and names == ["row_003.svg", "row_100.svg"]
