"""The LSTM as a readout, step by step and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.lstm import LSTM
from tests.readouts import ragged, sequences

U = 4
MAKE = functools.partial(LSTM, output_size=U, name="lstm")


def literal(x, own):
  h = c = np.zeros(U)
  for row in x:
    gates = row @ own["w_x"] + own["b_x"] + h @ own["w_h"] + own["b_h"]
    i, f, g, o = np.split(gates, 4)
    c = special.expit(f) * c + special.expit(i) * np.tanh(g)
    h = special.expit(o) * np.tanh(c)
  return h


def test_values():
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  expected = functools.partial(literal, own=params["lstm"])
  sequences.assert_each_set(MAKE, elements, params, expected)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  theirs = aggr.LSTMAggregation(ragged.D, U).double()
  sequences.set_recurrent(theirs.lstm, params["lstm"])
  sequences.assert_as_peer(MAKE, elements, params, theirs)


def test_parameters_are_drawn_as_pytorch_does():
  (own,) = ragged.init(MAKE, ragged.example()).values()
  for x in own.values():
    assert np.abs(x).max() <= U**-0.5 < 1.2 * np.abs(x).max()
