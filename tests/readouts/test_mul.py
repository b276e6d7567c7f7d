"""Products, and their derivatives where elements are 0."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import make_sets
from gnn_readout.readouts.mul import Mul
from tests.readouts import ragged


def test_values():
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(Mul, elements),
    ragged.each(functools.partial(np.prod, axis=0), elements, empty=1.0),
    rtol=1e-13,
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(Mul, elements),
    ragged.peer(aggr.MulAggregation(), elements),
    rtol=1e-13,
  )


@pytest.mark.parametrize("num_zeros", [0, 1, 2])
def test_gradients_are_the_products_of_the_others(num_zeros):
  values = np.array([2.0, 3.0, 5.0, 7.0, 11.0], np.float32)
  values[1 : 1 + num_zeros] = 0
  sets = make_sets(np.array([4, 0, 1]), 5)
  gradient = jax.grad(lambda x: jnp.sum(segments.prod(x, sets)))(values)
  others = [np.prod(np.delete(values[:4], i)) for i in range(4)]
  np.testing.assert_array_equal(gradient, [*others, 1])


def test_a_set_out_of_range_leaves_the_gradients_of_others_alone():
  values = np.array([1e30, 1e30, 3.0, 2.0], np.float32)
  sets = make_sets(np.array([2, 2]), 4)
  gradient = jax.grad(lambda x: segments.prod(x, sets)[1])(values)
  np.testing.assert_array_equal(gradient, [0, 0, 2, 3])


def test_complex_numbers():
  values = np.exp(1j * np.arange(6.0)) * np.arange(1, 7)
  sets = make_sets(np.array([3, 0, 2]), 6)
  with jax.enable_x64(True):
    products = segments.prod(jnp.asarray(values), sets)
  expected = [np.prod(values[:3]), 1, np.prod(values[3:5])]
  np.testing.assert_allclose(products, expected, rtol=1e-13)
