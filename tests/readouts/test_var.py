"""The variance of each set."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.readouts.var import Var
from tests.readouts import ragged


def test_values():
  elements = ragged.example()
  expected = ragged.each(lambda x: x.var(0), elements)
  np.testing.assert_allclose(ragged.pool(Var, elements), expected, atol=1e-15)


def test_a_large_mean_costs_no_digits():
  """E[x^2] - E[x]^2 would have none left: 1e20 is the last digit's 1e4."""
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(Var, elements + 1e10), ragged.pool(Var, elements), rtol=1e-4
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(Var, elements),
    ragged.peer(aggr.VarAggregation(), elements),
    atol=1e-12,
  )
