"""The GRU as a readout, step by step and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.gru import GRU
from tests.readouts import ragged, sequences

U = 4
MAKE = functools.partial(GRU, output_size=U, name="gru")


def literal(x, own):
  h = np.zeros(U)
  for row in x:
    x_r, x_z, x_n = np.split(row @ own["w_x"] + own["b_x"], 3)
    h_r, h_z, h_n = np.split(h @ own["w_h"] + own["b_h"], 3)
    n = np.tanh(x_n + special.expit(x_r + h_r) * h_n)
    z = special.expit(x_z + h_z)
    h = (1 - z) * n + z * h
  return h


def test_values():
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    ragged.each(functools.partial(literal, own=params["gru"]), elements),
    atol=1e-12,
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  theirs = aggr.GRUAggregation(ragged.D, U).double()
  sequences.set_recurrent(theirs.gru, params["gru"])
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    sequences.peer_of_each_set(theirs, elements),
    atol=1e-12,
  )
