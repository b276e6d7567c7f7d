"""The gradient written out against automatic differentiation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers.convolution import convolve, convolve_by_hand


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradient(size, stride):
  rng = np.random.default_rng(0)
  # Sides that a stride of 2 divides, and does not.
  x = jnp.asarray(rng.normal(size=(2, 7, 10, 3)), jnp.float32)
  w = jnp.asarray(rng.normal(size=(size, size, 3, 5)), jnp.float32)
  expected, pull = jax.vjp(lambda *args: convolve(*args, stride), x, w)
  actual, pull_by_hand = jax.vjp(
    lambda *args: convolve_by_hand(*args, stride), x, w
  )
  np.testing.assert_array_equal(actual, expected)
  dy = jnp.asarray(rng.normal(size=expected.shape), jnp.float32)
  for by_hand, automatic in zip(pull_by_hand(dy), pull(dy)):
    np.testing.assert_allclose(by_hand, automatic, rtol=1e-4, atol=1e-4)
