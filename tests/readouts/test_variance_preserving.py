"""Sum over root n."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.readouts.variance_preserving import VariancePreserving
from tests.readouts import ragged


def test_values():
  elements = ragged.example()
  expected = ragged.each(lambda x: x.sum(0) / np.sqrt(len(x)), elements)
  values = ragged.pool(VariancePreserving, elements)
  np.testing.assert_allclose(values, expected, atol=1e-14)


def test_the_variance_of_sets_of_any_size_is_that_of_an_element():
  values = ragged.pool(VariancePreserving, ragged.example(width=4001))
  filled = np.array(ragged.SIZES) > 0
  np.testing.assert_allclose(values.var(axis=1)[filled], 1, atol=0.1)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(VariancePreserving, elements),
    ragged.peer(aggr.VariancePreservingAggregation(), elements),
    atol=1e-13,
  )
