"""The standard deviation of each set, and what epsilon does."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.std import Std
from tests.readouts import ragged


@pytest.mark.parametrize("epsilon", [1e-5, 0.3])
def test_values(epsilon):
  elements = ragged.example()
  expected = ragged.each(
    lambda x: np.sqrt(x.var(0) + epsilon) * (len(x) > 1), elements
  )
  make = functools.partial(Std, epsilon)
  np.testing.assert_allclose(ragged.pool(make, elements), expected, atol=1e-14)


def test_equal_elements_give_the_root_of_epsilon():
  elements = np.ones((ragged.N, ragged.D))
  expected = ragged.each(
    lambda x: np.full(ragged.D, 0.5 if len(x) > 1 else 0), elements
  )
  make = functools.partial(Std, 0.25)
  np.testing.assert_array_equal(ragged.pool(make, elements), expected)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  make = functools.partial(Std, 1e-12)
  np.testing.assert_allclose(
    ragged.pool(make, elements),
    ragged.peer(aggr.StdAggregation(), elements),
    atol=1e-10,
  )


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.nan])
def test_epsilon_must_be_positive(epsilon):
  make = functools.partial(Std, epsilon)
  with pytest.raises(
    ValueError, match=f"epsilon must be positive, got {epsilon}"
  ):
    ragged.init(make, ragged.example())
