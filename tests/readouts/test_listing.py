"""What the readouts say of themselves, and README.md of them."""

from __future__ import annotations

import pathlib

import pytest

from gnn_readout.readouts import (
  OF_GRAPHS,
  ORDER_DEPENDENT,
  READOUTS,
  listing,
  make_readout,
)
from gnn_readout.readouts.base import FAMILIES

ALL = READOUTS | ORDER_DEPENDENT | OF_GRAPHS
README = pathlib.Path(__file__).parents[2] / "README.md"


def test_the_table_of_readme_is_that_of_the_classes():
  begin, end = "<!-- readouts:begin -->\n", "\n<!-- readouts:end -->"
  text = README.read_text().partition(begin)[2].partition(end)[0]
  command = "python -m launch.readouts --readme=README.md"
  assert text == listing.markdown(), f"write it anew: {command}"


def test_every_readout_is_in_one_family():
  families = listing.families()
  assert tuple(families) == FAMILIES
  names = [name for members in families.values() for name in members]
  assert sorted(names) == sorted(ALL)
  assert sorted(families["sequences"]) == sorted(ORDER_DEPENDENT)
  assert sorted(families["graphs"]) == sorted(OF_GRAPHS)


def test_a_readout_describes_itself_and_its_fields():
  text = listing.describe("set_transformer")
  assert text.startswith("y = SAB(PMA_k(SAB(SAB(X))))")
  assert "--config.model.readout.num_seeds=1  (int)" in text
  assert "--config.model.readout.num_inducing_points=None  (int | None)" in text
  assert "num_seeds: k." in text
  with pytest.raises(ValueError, match="Did you mean 'fspool'"):
    listing.describe("fspol")


@pytest.mark.parametrize("name", sorted(ALL))
def test_formula_and_paper_are_one_line_each(name):
  readout = ALL[name]
  assert "y" in readout.formula()
  for text in (readout.formula(), readout.reference()):
    assert text.endswith(".") and "\n" not in text


def test_arguments_are_those_of_the_signature():
  arguments = READOUTS["quantile"].arguments()
  assert list(arguments) == ["q", "interpolation"]
  assert arguments["interpolation"] == (str, "linear")
  assert not arguments["q"].is_required
  with pytest.raises(ValueError, match="'sum' takes no argument 'order'.$"):
    make_readout("sum", order=2)


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_is_measured_on_the_data_is_an_argument(name):
  few, many = (
    ALL[name].arguments_from_data(sizes) for sizes in ([1], [2, 3, 50])
  )
  assert few.keys() == many.keys() <= ALL[name].arguments().keys()
