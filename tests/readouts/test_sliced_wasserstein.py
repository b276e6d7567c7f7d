"""The embedding against numpy's interpolation and optimal assignments."""

from __future__ import annotations

import haiku as hk
import jax
import numpy as np
import pytest
import scipy.optimize

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.sliced_wasserstein import SlicedWasserstein

pytestmark = pytest.mark.usefixtures("double_precision")

D, L, M = 3, 5, 7
SIZES = (7, 0, 1, 13, 2, 7)
N = sum(SIZES) + 3
ELEMENTS = np.random.default_rng(0).normal(size=(N, D))


def readout(**kwargs):
  kwargs = {"num_slices": L, "num_points": M, "name": "pool", **kwargs}
  return hk.without_apply_rng(
    hk.transform(
      lambda x: (
        SlicedWasserstein(**kwargs)(x, make_sets(np.array(SIZES), N)).values
      )
    )
  )


def params():
  rng = np.random.default_rng(1)
  return {
    "directions": rng.normal(size=(L, D)),
    "reference": rng.normal(size=(M, L)),
    "weights": rng.normal(size=(M, L)),
  }


def apply(is_weighted):
  function = jax.jit(readout(is_weighted=is_weighted).apply)
  return np.asarray(function({"pool": params()}, ELEMENTS))


def literal(x):
  """The displacements [M, L] of one set."""
  own, n = params(), len(x)
  if not n:
    return np.zeros((M, L))
  directions = own["directions"].T / np.linalg.norm(own["directions"], axis=1)
  projected = np.sort(x @ directions, axis=0)
  levels, at = np.arange(1, n + 1) / (n + 1), np.arange(1, M + 1) / (M + 1)
  if n > 1:  # np.interp is flat beyond the ends: add two points to each.
    first, last = projected[:2], projected[-2:]
    projected = np.vstack(
      [3 * first[:1] - 2 * first[1:], projected, 3 * last[1:] - 2 * last[:1]]
    )
    step = 2 / (n + 1)
    levels = np.concatenate([levels[:1] - step, levels, levels[-1:] + step])
  quantiles = [np.interp(at, levels, projected[:, i]) for i in range(L)]
  return np.transpose(quantiles) - np.sort(own["reference"], axis=0)


@pytest.mark.parametrize("is_weighted", [True, False])
def test_values(is_weighted):
  values = apply(is_weighted)
  for s, start in enumerate(np.cumsum((0, *SIZES))[:-1]):
    moves = literal(ELEMENTS[start : start + SIZES[s]])
    expected = moves.T.reshape(-1)
    if is_weighted:
      expected = np.sum(moves * params()["weights"], axis=0)
    np.testing.assert_allclose(values[s], expected, atol=1e-10)


def test_distances_are_those_of_optimal_assignments():
  """Of two sets of M elements; no sort in the oracle."""
  first, second = ELEMENTS[:7], ELEMENTS[sum(SIZES) - 7 : sum(SIZES)]
  cost = 0.0
  for direction in params()["directions"]:
    direction = direction / np.linalg.norm(direction)
    costs = np.subtract.outer(first @ direction, second @ direction) ** 2
    cost += costs[scipy.optimize.linear_sum_assignment(costs)].sum()
  values = apply(is_weighted=False)
  np.testing.assert_allclose(np.sum((values[0] - values[5]) ** 2), cost)


@pytest.mark.parametrize("slices", [2, L])
def test_initial_directions_and_references(slices):
  init = jax.jit(readout(num_slices=slices).init)
  own = init(jax.random.key(0), ELEMENTS)["pool"]
  if slices <= D:
    np.testing.assert_array_equal(own["directions"], np.eye(slices, D))
  assert own["directions"].shape == (slices, D)
  np.testing.assert_allclose(
    own["reference"],
    np.linspace(-1, 1, M)[:, None].repeat(slices, 1),
    atol=1e-15,
  )
  assert own["weights"].shape == (M, slices)


def test_bad_numbers():
  for name in ("num_slices", "num_points"):
    with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
      readout(**{name: 0}).init(jax.random.key(0), ELEMENTS)
