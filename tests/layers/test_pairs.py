"""Sums over pairs against all pairs of the batch, masked."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.layers import pairs
from tests import gradients

pytestmark = pytest.mark.usefixtures("double_precision")

# Sets within a block, over many, empty ones, and a padded tail.
SIZES = (7, 0, 1, 151, 2, 0, 23, 1)
N = sum(SIZES) + 5
KEY_SIZES = (2, 3, 0, 17, 0, 0, 1, 31)
M = sum(KEY_SIZES) + 3


def tile(params, q, k, together):
  """sum_j tanh(W q_i * k_j), and the plain number of partners."""
  values = jnp.tanh((q @ params)[:, None] * k[None, :])
  weight = together[..., None].astype(q.dtype)
  return jnp.sum(weight * values, axis=1), jnp.sum(weight, axis=1)


def example(other_side):
  rng = np.random.default_rng(0)
  sets = make_sets(np.array(SIZES), N)
  key_sets = make_sets(np.array(KEY_SIZES), M) if other_side else sets
  length = M if other_side else N
  arrays = [
    jnp.asarray(rng.normal(size=shape))
    for shape in ((5, 3), (N, 5), (length, 3), (N, 3))
  ]
  return *arrays, sets, key_sets


def all_pairs(params, q, k, sets, key_sets, distinct):
  together = sets.segment_ids[:, None] == key_sets.segment_ids[None, :]
  together &= sets.mask[:, None]
  if distinct:
    together &= ~np.eye(N, dtype=bool)
  return tile(params, q, k, together)


# Fewer tiles at once than there are, and more.
@pytest.mark.parametrize("numbers", [2**10, 2**24])
@pytest.mark.parametrize(
  ("other_side", "distinct"), [(False, False), (False, True), (True, False)]
)
def test_values_and_gradients(monkeypatch, numbers, other_side, distinct):
  monkeypatch.setattr(pairs, "_CPU_NUMBERS", numbers)
  *arrays, weights, sets, key_sets = example(other_side)

  def ours(*args):
    return pairs.pair_sum(tile, *args, sets, key_sets, 3, distinct)

  def theirs(*args):
    return all_pairs(*args, sets, key_sets, distinct)

  gradients.assert_same(ours, theirs, arrays, weights, atol=1e-11)


@pytest.mark.parametrize("order", [2, 3])
def test_derivatives_of_derivatives(order):
  *arrays, weights, sets, key_sets = example(True)
  rng = np.random.default_rng(1)
  directions = [
    [jnp.asarray(rng.normal(size=x.shape)) for x in arrays]
    for _ in range(order)
  ]

  def derivative(total):
    """Returns `total` differentiated along each of the directions."""
    for direction in directions:

      def along(arrays, f=total, direction=direction):
        slopes = jax.tree.map(jnp.vdot, jax.grad(f)(arrays), direction)
        return sum(jax.tree.leaves(slopes))

      total = along
    return jax.jit(total)(arrays)

  def ours(arrays):
    values, _ = pairs.pair_sum(tile, *arrays, sets, key_sets, 3, False)
    return jnp.vdot(values, weights)

  def theirs(arrays):
    values, _ = all_pairs(*arrays, sets, key_sets, False)
    return jnp.vdot(values, weights)

  np.testing.assert_allclose(derivative(ours), derivative(theirs), rtol=1e-10)


def test_maximum():
  params, q, k, _, sets, key_sets = example(True)

  def highest(_, q, k, together):
    scores = jnp.where(together, (q @ params) @ k.T, -jnp.inf)
    return jnp.max(scores, axis=1)

  run = jax.jit(lambda q, k: pairs.pair_max(highest, (), q, k, sets, key_sets))
  together = sets.segment_ids[:, None] == key_sets.segment_ids[None, :]
  together &= sets.mask[:, None]
  expected = highest((), q, k, together)
  np.testing.assert_allclose(run(q, k), expected, atol=1e-12)
  assert np.isneginf(expected).any()
  slope = jax.grad(lambda q: jnp.sum(jnp.nan_to_num(run(q, k))))(q)
  np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize(
  ("sizes", "most"), [((1,) * 600, 16), ((20,) * 100, 90), ((2000,), 2200)]
)
def test_the_work_follows_the_pairs(sizes, most):
  """Pairs computed per element: the mean size and a few blocks."""
  sets = make_sets(np.array(sizes), sum(sizes) + 7)
  tiling = pairs._tiling(sets, sets, 1, False)
  size = tiling.keys.ids.shape[1]
  tiles = int(tiling.ends[-1])
  assert tiles * size * size <= most * sum(sizes)
