"""Losses of sets against closed forms and scipy's assignment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from gnn_readout.tasks.set_losses import SET_LOSSES

S, N, D = 3, 7, 2
# One program for all tests: the search takes long to compile.
LOSSES = {name: jax.jit(loss) for name, loss in SET_LOSSES.items()}
with_gradient = jax.jit(
  jax.value_and_grad(lambda x, y: SET_LOSSES["hungarian"](x, y).sum())
)


def example():
  return np.random.default_rng(0).normal(size=(2, S, N, D)).astype(np.float32)


def assigned(x, y):
  """The rows of y that go with those of x."""
  return y[linear_sum_assignment(cdist(x, y, "sqeuclidean"))[1]]


def test_against_scipy():
  predicted, target = example()
  got = {name: loss(predicted, target) for name, loss in LOSSES.items()}
  for s, (x, y) in enumerate(zip(*example().astype(np.float64))):
    costs = cdist(x, y, "sqeuclidean") / D
    wanted = {
      "direct": np.diag(costs).mean(),
      "chamfer": costs.min(0).mean() + costs.min(1).mean(),
      "hungarian": ((x - assigned(x, y)) ** 2).mean(),
    }
    for name, value in wanted.items():
      np.testing.assert_allclose(got[name][s], value, rtol=1e-5)
    # Three different numbers, in this order of size.
    assert wanted["direct"] > 1.1 * wanted["hungarian"]


def circle(turns):
  angles = np.asarray(turns)[:, None] + 2 * np.pi * np.arange(N) / N
  points = np.stack([np.cos(angles), np.sin(angles)], -1)
  return points.astype(np.float32)


def test_a_turned_polygon_is_as_far_off_as_its_angle():
  turns = np.array([0.01, 0.2, 0.4])  # Less than pi / N: nearest is the same.
  still = circle(np.zeros(S))
  for name, times in (("direct", 1), ("chamfer", 2), ("hungarian", 1)):
    got = LOSSES[name](circle(turns), still)
    np.testing.assert_allclose(got, times * (1 - np.cos(turns)), rtol=1e-3)
  # By a whole side it is the same set, but in another order.
  turned = circle(np.full(S, 2 * np.pi / N))
  assert LOSSES["direct"](turned, still).min() > 0.3
  np.testing.assert_allclose(LOSSES["chamfer"](turned, still), 0, atol=1e-10)
  np.testing.assert_allclose(LOSSES["hungarian"](turned, still), 0, atol=1e-10)


def test_only_the_assignment_counts_points():
  # The sets {1, 1, 2} and {1, 2, 2} of the thesis, seven points long.
  predicted = np.array([1, 1, 1, 1, 1, 1, 2.0], np.float32)
  target = np.array([1, 2, 2, 2, 2, 2, 2.0], np.float32)
  pair = [np.broadcast_to(x[:, None], (S, N, D)) for x in (predicted, target)]
  np.testing.assert_array_equal(LOSSES["chamfer"](*pair), 0)
  np.testing.assert_allclose(LOSSES["hungarian"](*pair), 5 / 7, rtol=1e-6)


def test_the_gradient_pulls_along_the_assignment():
  predicted, target = example()
  _, gradient = with_gradient(predicted, target)
  for got, x, y in zip(gradient, predicted, target):
    wanted = 2 * (x - assigned(x, y)) / (N * D)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_the_search_ends_whatever_the_costs(value):
  predicted, target = example()
  predicted = jnp.asarray(predicted).at[1, 3, 0].set(value)
  losses = np.asarray(LOSSES["hungarian"](predicted, target))
  assert not np.isfinite(losses[1])
  assert np.isfinite(losses[[0, 2]]).all()
