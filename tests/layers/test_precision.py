"""Linear layers that compute in half precision."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import precision
from gnn_readout.layers.mlp import Linear

KINDS = (hk.Linear, Linear)


def _layer(kind):
  rng = np.random.default_rng(0)
  inputs = rng.normal(size=(7, 5)).astype(np.float32)
  function = hk.without_apply_rng(hk.transform(lambda x: kind(3)(x)))
  return function, function.init(jax.random.key(0), inputs), inputs


def _rounded(x):
  return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_rounded_numbers_and_parameters_that_are_not(kind):
  function, params, inputs = _layer(kind)
  exact = function.apply(params, inputs)

  @jax.jit
  def half(params, inputs):
    with precision.of_linear_layers("bfloat16"):
      return function.apply(params, inputs)

  found = half(params, inputs)
  (own,) = params.values()
  assert found.dtype == jnp.float32
  expected = _rounded(inputs) @ _rounded(own["w"]) + _rounded(own["b"])
  # XLA may round the result as well, to 8 bits, once or twice.
  np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.01)
  assert 1e-5 < np.abs(found - exact).max() < 0.05
  grads = jax.grad(lambda p: half(p, inputs).sum())(params)
  assert {x.dtype for x in jax.tree.leaves(grads)} == {jnp.dtype("float32")}
  # What comes after is as it was.
  np.testing.assert_array_equal(function.apply(params, inputs), exact)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_is_that_without(kind):
  function, params, inputs = _layer(kind)
  with precision.of_linear_layers("float32"):
    found = function.apply(params, inputs)
  np.testing.assert_array_equal(found, function.apply(params, inputs))
