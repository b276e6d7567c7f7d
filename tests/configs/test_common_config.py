"""Variants, as all configs read them."""

from __future__ import annotations

import pytest

from configs import common

GRAMMAR = "MODEL[,virtual_node],READOUT[,paper][,LAST]"
MODELS = ("gcn", "gin")


@pytest.mark.parametrize(
  ("variant", "expected"),
  [
    ("gcn,sum", ("gcn", False, "sum", False, None)),
    (" gin , virtual_node, max,x", ("gin", True, "max", False, "x")),
    ("gcn,sum,paper", ("gcn", False, "sum", True, None)),
    ("gcn,sum,paper,sum", ("gcn", False, "sum", True, "sum")),
  ],
)
def test_words_of_a_variant(variant, expected):
  found = common.parse_variant(variant, GRAMMAR, MODEL=MODELS)
  assert tuple(found.values()) == expected
  assert list(found) == ["MODEL", "virtual_node", "READOUT", "paper", "LAST"]


@pytest.mark.parametrize(
  ("variant", "hint"),
  [
    ("", ""),
    ("gcn", ""),
    ("gcn,", ""),
    ("gcn,paper", ""),
    ("gcn,virtual_node", ""),
    ("sum,gcn", ""),
    ("gcn,sum,paper,x,y", ""),
    ("gni,sum", " Did you mean 'gin'?"),
    ("gcn,virtual,sum,max,min", " Did you mean 'virtual_node'?"),
  ],
)
def test_anything_else_says_what_to_write(variant, hint):
  with pytest.raises(ValueError) as caught:
    common.parse_variant(variant, GRAMMAR, MODEL=MODELS)
  assert str(caught.value) == (
    f"Unknown variant {variant!r}.{hint} Write {GRAMMAR} with MODEL one of gcn,"
    " gin."
  )


def test_a_readout_has_what_is_given_for_it_and_nothing_else():
  arguments = {"fspool": {"num_knots": 5, "aux_weight": 1.0}}
  assert common.readout("sum", arguments).to_dict() == {
    "name": "sum",
    "aux_weight": 0.0,
  }
  assert common.readout("fspool", arguments).to_dict() == {
    "name": "fspool",
    "aux_weight": 1.0,
    "num_knots": 5,
  }
