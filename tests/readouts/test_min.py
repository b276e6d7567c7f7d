"""The minimum of each set."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.readouts.max import Max
from gnn_readout.readouts.min import Min
from tests.readouts import ragged


def test_values():
  elements = ragged.example()
  expected = ragged.each(lambda x: x.min(0), elements)
  np.testing.assert_array_equal(ragged.pool(Min, elements), expected)


def test_it_is_minus_the_maximum_of_minus_the_elements():
  elements = ragged.example()
  np.testing.assert_array_equal(
    ragged.pool(Min, elements), -ragged.pool(Max, -elements)
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  np.testing.assert_array_equal(
    ragged.pool(Min, elements), ragged.peer(aggr.MinAggregation(), elements)
  )
