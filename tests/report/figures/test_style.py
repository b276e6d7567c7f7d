"""One colour a readout, and more than colour to tell two apart."""

from __future__ import annotations

import itertools

import pytest

from gnn_readout.readouts import READOUTS
from gnn_readout.report.figures import style


def test_a_readout_has_one_colour_in_all_figures():
  alone = {name: style.looks([name])[name] for name in READOUTS}
  for names in (list(READOUTS), sorted(READOUTS, reverse=True)):
    together = style.looks(names)
    for name in READOUTS:
      assert together[name].color == alone[name].color
  usual = ("equilibrium", "attention", "sum", "pna", "fspool", "mean")
  colors = [alone[name].color for name in usual]
  assert len(set(colors)) == len(usual)
  rest = {alone[name].color for name in READOUTS if name not in usual}
  assert not rest & set(colors)
  # They keep line and marker too, whichever of them are in a figure.
  for some in itertools.permutations(usual, 3):
    looks = style.looks([f"{some[0]}, squared", *some])
    assert {name: looks[name] for name in some} == {n: alone[n] for n in some}


@pytest.mark.parametrize(
  "names",
  [
    ["sum", "sum, GIN-0", "mean", "fspool", "fspool, gin2019"],
    ["equilibrium", "equilibrium, squared"],
    ["max", "min", "median", "std", "var", "moment", "multi", "softmax"],
  ],
)
def test_without_colours_two_of_a_figure_can_be_told_apart(names):
  looks = style.looks(names)
  assert list(looks) == names
  assert len({look.line for look in looks.values()}) == len(names)
  assert len({look.marker for look in looks.values()}) == len(names)
  for name, look in looks.items():
    readout = name.partition(",")[0]
    assert look.color == style.looks([readout])[readout].color
