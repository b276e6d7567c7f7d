"""The tree of a symmetric GRU, joined by recursion and against PyTorch's."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.lcm import LCM
from tests.readouts import ragged, sequences

U = 4
MAKE = functools.partial(LCM, output_size=U, name="lcm")
PROJECT = "lcm/~aggregate/project"


def gru(x, h, own):
  x_r, x_z, x_n = np.split(x @ own["w_x"] + own["b_x"], 3)
  h_r, h_z, h_n = np.split(h @ own["w_h"] + own["b_h"], 3)
  n = np.tanh(x_n + special.expit(x_r + h_r) * h_n)
  z = special.expit(x_z + h_z)
  return (1 - z) * n + z * h


def literal(x, params):
  own, layer = params["lcm"], params[PROJECT]
  level = [np.maximum(row @ layer["w"] + layer["b"], 0) for row in x]
  while len(level) > 1:
    left_over = level[len(level) // 2 * 2 :]
    level = [
      (gru(u, v, own) + gru(v, u, own)) / 2
      for u, v in zip(level[::2], level[1::2])
    ]
    level += left_over
  return level[0]


def example():
  elements = ragged.example()
  return elements, ragged.random_parameters(MAKE, elements)


def test_values():
  elements, params = example()
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    ragged.each(functools.partial(literal, params=params), elements),
    atol=1e-12,
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements, params = example()
  theirs = aggr.LCMAggregation(ragged.D, U).double()
  ragged.set_linear(theirs.lin, params[PROJECT])
  sequences.set_recurrent(theirs.gru_cell, params["lcm"])
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    sequences.peer_of_each_set(theirs, elements),
    atol=1e-12,
  )


def test_it_is_commutative_but_not_associative():
  elements, params = example()
  pair, triple = slice(ragged.STARTS[4], ragged.STARTS[4] + 2), slice(0, 7)
  swapped = elements.copy()
  swapped[pair] = elements[pair][::-1]
  swapped[triple] = np.roll(elements[triple], 1, axis=0)
  before, after = (ragged.pool(MAKE, x, params) for x in (elements, swapped))
  np.testing.assert_allclose(after[4], before[4], atol=1e-14)
  assert np.abs(after[0] - before[0]).max() > 1e-3
