"""How much each element weighs, against formulas written out set by set."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS, make_readout
from tests.readouts import equilibrium_listing, ragged

D = 4


def attention(x, y, p):
  own = p["attention"]
  keys = (x @ own["key"]).reshape(len(x), 2, D // 2)
  scores = np.einsum("nhk,hk->nh", keys, own["query"]) / np.sqrt(D / 2)
  return special.softmax(scores, axis=0)


def adaptive(x, y, p):
  own = p["adaptive"]
  keys = (x @ own["key"]).reshape(len(x), 2, D // 2)
  query = (x.mean(axis=0) @ own["query"]).reshape(2, D // 2)
  scores = np.einsum("nhk,hk->nh", keys, query) / np.sqrt(D / 2)
  return special.softmax(scores, axis=0)


def soft_median(x, y, p):
  median = np.quantile(x, 0.5, axis=0, method="lower")
  distances = np.linalg.norm(x - median, axis=1, keepdims=True)
  return special.softmax(-distances / np.sqrt(D), axis=0)


def gates(x, p):
  layer = p["gated_attention/~aggregate/gate/~/linear_0"]
  return x @ layer["w"] + layer["b"]


def fspool(x, y, p):
  """Each rank's weight, by numpy's own interpolation."""
  knots = p["fs_pool"]["knots"]
  at = (stats.rankdata(-x, axis=0) - 1) / max(len(x) - 1, 1)  # [n, D]
  places = np.linspace(0, 1, len(knots))
  columns = [np.interp(at[:, d], places, knots[:, d]) for d in range(D)]
  return np.stack(columns, axis=1)


@jax.jit
@functools.partial(jax.grad, argnums=1)
def _slope(own, y, x):
  """dF(x, y)/dy."""
  return equilibrium_listing.potential_net(
    own, x[None], y[None], (6, 3, 2), "mean"
  )[0]


def equilibrium(x, y, p):
  """The size of each element's part of the gradient, by autodiff."""
  own = {k: jnp.asarray(v) for k, v in p["equilibrium_aggregation"].items()}

  slopes = [_slope(own, y, row) for row in x]
  norms = np.linalg.norm(slopes, axis=1, keepdims=True)
  return norms / norms.sum()


# By readout: its arguments, and (elements, values, parameters) -> weights.
ORACLES = {
  "adaptive": ({"num_heads": 2}, adaptive),
  "attention": ({"num_heads": 2}, attention),
  "equilibrium": (
    {"hidden": 3, "potential_outputs": 2, "num_steps": 3},
    equilibrium,
  ),
  "fspool": ({"num_knots": 5}, fspool),
  "gated_attention": (
    {},
    lambda x, y, p: special.softmax(gates(x, p), axis=0),
  ),
  "gated_attention, sigmoid": (
    {"gate": "sigmoid", "per_feature": True},
    lambda x, y, p: special.expit(gates(x, p)),
  ),
  "soft_median": ({}, soft_median),
  "softmax": (
    {"per_channel": True},
    lambda x, y, p: special.softmax(x * p["softmax"]["t"], axis=0),
  ),
}


def weigh(name, arguments):
  """Returns elements, parameters that are not zero, and the whole result."""

  def make():
    return make_readout(name, **arguments)

  elements = ragged.example(D)
  params = ragged.random_parameters(make, elements)

  def forward(elements):
    return make()(elements, make_sets(np.array(ragged.SIZES), ragged.N))

  with jax.enable_x64(True):
    apply = hk.without_apply_rng(hk.transform(forward)).apply
    result = jax.tree.map(np.asarray, jax.jit(apply)(params, elements))
  return elements, params, result


@pytest.mark.parametrize("name", ORACLES)
def test_weights_are_those_of_the_formula(name):
  arguments, oracle = ORACLES[name]
  elements, params, result = weigh(name.partition(",")[0], arguments)
  for s, (start, size) in enumerate(zip(ragged.STARTS, ragged.SIZES)):
    if size:
      own = slice(start, start + size)
      with jax.enable_x64(True):
        expected = oracle(elements[own], result.values[s], params)
      np.testing.assert_allclose(
        result.weights[own], expected, rtol=1e-9, atol=1e-12
      )


@pytest.mark.parametrize(
  "name", ["fspool", "optimal_transport", "soft_median", "softmax"]
)
def test_values_are_the_weighted_sums(name):
  elements, _, result = weigh(name, {})
  values = ragged.each(
    lambda rows: (result.weights[rows] * elements[rows]).sum(axis=0),
    np.arange(ragged.N),
  )
  np.testing.assert_allclose(result.values, values, rtol=1e-10)


def test_the_mass_of_a_plan_is_one():
  _, _, result = weigh("optimal_transport", {})
  masses = ragged.each(lambda x: x.mean(axis=1).sum(), result.weights)
  np.testing.assert_allclose(masses, [1, 0, 1, 1, 1], rtol=1e-10)


def test_several_readouts_have_the_weights_of_those_that_weigh():
  members = ["mean", "softmax", {"name": "attention", "num_heads": 2}]
  _, _, result = weigh("multi", {"members": members})
  assert result.weights.shape == (ragged.N, D + 2)
  sums = ragged.each(lambda x: x.sum(axis=0), result.weights)
  np.testing.assert_allclose(sums[0], 1, rtol=1e-10)
  _, _, none = weigh("multi", {"members": ["mean", "max"]})
  assert none.weights is None


def test_every_readout_that_weighs_is_tested_here():
  tested = {name.partition(",")[0] for name in ORACLES} | {"optimal_transport"}
  assert {n for n, kind in READOUTS.items() if kind.weighs} == tested
