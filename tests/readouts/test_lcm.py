"""The tree of a symmetric GRU, joined by recursion and against PyTorch's."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.lcm import LCM
from tests.readouts import ragged, sequences

U = 4
MAKE = functools.partial(LCM, output_size=U, name="lcm")
PROJECT = "lcm/~aggregate/project"


def literal(x, params):
  own, layer = params["lcm"], params[PROJECT]
  level = [np.maximum(row @ layer["w"] + layer["b"], 0) for row in x]
  while len(level) > 1:
    left_over = level[len(level) // 2 * 2 :]
    level = [
      (sequences.gru(u, v, own) + sequences.gru(v, u, own)) / 2
      for u, v in zip(level[::2], level[1::2])
    ]
    level += left_over
  return level[0]


def example():
  elements = ragged.example()
  return elements, ragged.random_parameters(MAKE, elements)


def test_values():
  elements, params = example()
  expected = functools.partial(literal, params=params)
  sequences.assert_each_set(MAKE, elements, params, expected)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements, params = example()
  theirs = aggr.LCMAggregation(ragged.D, U).double()
  ragged.set_linear(theirs.lin, params[PROJECT])
  sequences.set_recurrent(theirs.gru_cell, params["lcm"])
  sequences.assert_as_peer(MAKE, elements, params, theirs)


def test_it_is_commutative_but_not_associative():
  elements, params = example()
  pair, triple = slice(ragged.STARTS[4], ragged.STARTS[4] + 2), slice(0, 7)
  swapped = elements.copy()
  swapped[pair] = elements[pair][::-1]
  swapped[triple] = np.roll(elements[triple], 1, axis=0)
  before, after = (ragged.pool(MAKE, x, params) for x in (elements, swapped))
  np.testing.assert_allclose(after[4], before[4], atol=1e-14)
  assert np.abs(after[0] - before[0]).max() > 1e-3
