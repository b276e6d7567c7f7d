"""PNA's twelve aggregates written out, and delta."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.pna import PNA
from tests import gradients

pytestmark = pytest.mark.usefixtures("double_precision")

D, OUT = 5, 7
SIZES = (3, 0, 1, 11, 2)
N = sum(SIZES) + 5
PROJECT = "pna/~aggregate/project"


def readout(**kwargs):
  kwargs = {"name": "pna", "output_size": OUT, **kwargs}
  return hk.without_apply_rng(
    hk.transform(
      lambda elements: (
        PNA(**kwargs)(elements, make_sets(np.array(SIZES), N)).values
      )
    )
  )


@functools.partial(jax.jit, static_argnums=2)
def apply(elements, params, delta):
  return readout(delta=delta).apply({PROJECT: params}, elements)


def example():
  rng = np.random.default_rng(0)
  params = {"w": rng.normal(size=(12 * D, OUT)), "b": rng.normal(size=OUT)}
  return jax.tree.map(jnp.asarray, (rng.normal(size=(N, D)), params))


def literal(elements, params, delta):
  """W [(1, log(n+1)/delta, delta/log(n+1)) x (mean, max, min, std)] + b."""
  rows = []
  for start, n in zip(np.cumsum((0, *SIZES)), SIZES):
    x = elements[start : start + n]
    aggregates = jnp.zeros(4 * D)
    if n:
      std = jnp.zeros(D) if n == 1 else jnp.sqrt(jnp.var(x, 0) + 1e-5)
      aggregates = jnp.concatenate([x.mean(0), x.max(0), x.min(0), std])
    scalers = [1, np.log(n + 1) / delta, delta / np.log(n + 1) if n else 0]
    rows.append(jnp.concatenate([s * aggregates for s in scalers]))
  return jnp.stack(rows) @ params["w"] + params["b"]


@pytest.mark.parametrize("delta", [0.7, 3.0])
def test_values_and_gradients(delta):
  elements, params = example()
  weights = jnp.asarray(np.random.default_rng(1).normal(size=(len(SIZES), OUT)))

  gradients.assert_same(
    functools.partial(apply, delta=delta),
    functools.partial(literal, delta=delta),
    (elements, params),
    weights,
  )


def test_the_empty_set_gives_the_bias():
  elements, params = example()
  values = apply(elements, params, 3.0)
  np.testing.assert_array_equal(values[1], params["b"])


def test_a_set_of_mean_log_size_is_not_scaled():
  """Where log(n+1) = delta all three copies of the aggregates are the same."""
  elements, params = example()
  values = apply(elements, params, float(np.log(12)))
  x = np.asarray(elements)[4:15]
  std = np.sqrt(x.var(0) + 1e-5)
  aggregates = np.concatenate([x.mean(0), x.max(0), x.min(0), std])
  w = np.asarray(params["w"]).reshape(3, 4 * D, OUT).sum(0)
  np.testing.assert_allclose(values[3], aggregates @ w + params["b"])


def test_its_own_width_is_that_of_the_elements():
  elements, _ = example()
  function = readout(output_size=None)
  params = jax.eval_shape(function.init, jax.random.key(0), elements)
  values = jax.eval_shape(function.apply, params, elements)
  assert params[PROJECT]["w"].shape == (12 * D, D)
  assert values.shape == (len(SIZES), D)


def test_delta_is_the_mean_of_log_sizes():
  sizes = np.array([0, 1, 3, 13], np.int32)
  expected = (np.log(1) + np.log(2) + np.log(4) + np.log(14)) / 4
  measured = PNA.arguments_from_data(sizes)
  assert set(measured) == {"delta"}
  np.testing.assert_allclose(measured["delta"], expected, rtol=1e-15)


def test_delta_of_empty_sets_alone_is_usable():
  assert PNA.arguments_from_data(np.zeros(3, np.int32)) == {"delta": 1.0}


@pytest.mark.parametrize("delta", [0.0, -1.0, np.nan])
def test_delta_must_be_positive(delta):
  with pytest.raises(ValueError, match=f"delta must be positive, got {delta}"):
    readout(delta=delta).init(jax.random.key(0), example()[0])
