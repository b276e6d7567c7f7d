"""How much the order of the elements matters."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import make_sets
from gnn_readout.readouts import make_readout
from gnn_readout.readouts.order import order_dependence, shuffled

SIZES = np.array([7, 0, 1, 13, 2, 5, 9])
D = 6


def example():
  elements = np.random.default_rng(0).normal(size=(SIZES.sum() + 3, D))
  elements = jnp.asarray(elements, jnp.float32)
  return elements, make_sets(SIZES, len(elements))


def of_readout(name):
  elements, sets = example()
  f = hk.without_apply_rng(
    hk.transform(lambda x: make_readout(name, D)(x, sets).values)
  )
  params = jax.jit(f.init)(jax.random.key(0), elements)
  return float(_dependence(functools.partial(f.apply, params)))


def _dependence(pool):
  elements, sets = example()
  measure = functools.partial(order_dependence, pool)
  return jax.jit(measure)(elements, sets, jax.random.key(1))


def test_every_order_is_drawn_within_the_sets():
  sets = make_sets(np.array([3, 0, 2]), 6)
  numbers = jnp.arange(6.0)[:, None]
  keys = jax.random.split(jax.random.key(0), 200)
  orders = jax.vmap(lambda key: shuffled(numbers, sets, key)[:, 0])(keys)
  assert {tuple(order) for order in np.asarray(orders[:, :3])} == {
    (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0),
  }  # fmt: skip
  assert {tuple(order) for order in np.asarray(orders[:, 3:])} == {
    (3, 4, 5), (4, 3, 5),
  }  # fmt: skip


def test_of_a_readout_of_the_table_it_is_0():
  assert of_readout("mean") < 1e-12


def test_of_the_first_element_it_is_the_share_in_closed_form():
  """Of sets with the same numbers y varies with the order alone."""
  sets = make_sets(np.array([4, 4, 4]), 12)
  elements = jnp.tile(jnp.arange(4.0), 3)[:, None]
  shift = jnp.repeat(jnp.array([0.0, 10.0, 20.0]), 4)[:, None]
  is_first = (segments.places(sets) == 0)[:, None]
  first = lambda x: segments.sum(jnp.where(is_first, x, 0), sets)
  measure = functools.partial(order_dependence, first, num_orders=4000)
  share = jax.jit(measure)(elements + shift, sets, jax.random.key(0))
  # Variance 5/4 of four numbers in a row, 100 of three means 10 apart.
  np.testing.assert_allclose(share, 1.25 / 101.25, rtol=0.05)


@pytest.mark.parametrize("name", ["gru", "lcm"])
def test_of_those_that_depend_on_order_it_is_not(name):
  assert 1e-4 < of_readout(name) < 1


def test_a_single_order_says_nothing():
  elements, sets = example()
  with pytest.raises(ValueError, match="num_orders must be at least 2, got 1"):
    order_dependence(
      lambda x: segments.sum(x, sets), elements, sets, jax.random.key(0), 1
    )
