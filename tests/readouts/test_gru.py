"""The GRU as a readout, step by step and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.gru import GRU
from tests.readouts import ragged, sequences

U = 4
MAKE = functools.partial(GRU, output_size=U, name="gru")


def literal(x, own):
  h = np.zeros(U)
  for row in x:
    h = sequences.gru(row, h, own)
  return h


def test_values():
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  expected = functools.partial(literal, own=params["gru"])
  sequences.assert_each_set(MAKE, elements, params, expected)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  theirs = aggr.GRUAggregation(ragged.D, U).double()
  sequences.set_recurrent(theirs.gru, params["gru"])
  sequences.assert_as_peer(MAKE, elements, params, theirs)
