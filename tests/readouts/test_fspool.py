"""Knots that make FSPool another pooling, and its parameters."""

from __future__ import annotations

import haiku as hk
import jax
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.fspool import FSPool

pytestmark = pytest.mark.usefixtures("double_precision")

D, K = 3, 11
SIZES = (7, 0, 1, 11, 3)  # Odd, and no more than the knots.
N = sum(SIZES) + 5


def readout(**kwargs):
  kwargs = {"num_knots": K, "name": "fspool", **kwargs}
  return hk.without_apply_rng(
    hk.transform(
      lambda elements: (
        FSPool(**kwargs)(elements, make_sets(np.array(SIZES), N)).values
      )
    )
  )


@jax.jit
def apply(elements, knots):
  return readout().apply({"fspool": {"knots": knots}}, elements)


ELEMENTS = np.random.default_rng(0).normal(size=(N, D))


@pytest.mark.parametrize(
  ("name", "knots"),
  [
    ("sum", np.ones(K)),
    ("max", np.eye(K)[0]),
    ("min", np.eye(K)[-1]),
    ("median", np.eye(K)[K // 2]),
  ],
)
def test_special_knots(name, knots):
  values = apply(ELEMENTS, np.repeat(knots[:, None], D, axis=1))
  for s, start in enumerate(np.cumsum((0, *SIZES))[:-1]):
    x = ELEMENTS[start : start + SIZES[s]]
    # One element is the highest: only the first knot weights it.
    expected = (
      getattr(np, name)(x, axis=0) if len(x) > 1 else x.sum(0) * knots[0]
    )
    np.testing.assert_allclose(values[s], expected, atol=1e-12)


def test_a_set_of_as_many_elements_as_knots_is_weighted_by_the_knots():
  knots = np.random.default_rng(1).normal(size=(K, D))
  expected = np.sum(knots * -np.sort(-ELEMENTS[8:19], axis=0), axis=0)
  np.testing.assert_allclose(apply(ELEMENTS, knots)[3], expected, rtol=1e-12)


def test_initialisation():
  def init(**kwargs):
    return jax.jit(readout(**kwargs).init)(jax.random.key(0), ELEMENTS)

  np.testing.assert_array_equal(init()["fspool"]["knots"], np.ones((K, D)))
  knots = init(initialisation="normal", num_knots=500)["fspool"]["knots"]
  assert knots.shape == (500, D)
  np.testing.assert_allclose([knots.mean(), knots.std()], [0, 1], atol=0.1)


def test_bad_arguments():
  with pytest.raises(ValueError, match="num_knots must be at least 2, got 1"):
    readout(num_knots=1).init(jax.random.key(0), ELEMENTS)
  with pytest.raises(ValueError, match=r"one of \['normal', 'ones'\], got 'x'"):
    readout(initialisation="x").init(jax.random.key(0), ELEMENTS)
