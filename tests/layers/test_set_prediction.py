"""Sets decoded by the gradient of their encoder, against a plain loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.layers.set_prediction import (
  encode_dense,
  huber,
  predict_sets,
  with_mask,
)

pytestmark = pytest.mark.usefixtures("double_precision")

S, N, D, L = 3, 5, 2, 7


def example():
  rng = np.random.default_rng(0)
  w = rng.normal(size=(D + 1, L))
  start = rng.random((N, D + 1)) * [1, 1, 1.5]  # Some of the mask is above 1.
  return w, 3 * rng.normal(size=(S, L)), start


def encoder(w):
  return lambda x, sets: segments.sum(jnp.tanh(x @ w), sets) / N


def literal(w, z, start, rate, steps):
  """Every set alone, the derivative by hand."""
  points = []
  for target in z:
    y = start.copy()
    y[:, -1] = np.clip(y[:, -1], 0, 1)
    points.append([y])
    for _ in range(steps):
      hidden = np.tanh(y @ w)
      slope = np.clip(hidden.mean(0) - target, -1, 1) / L
      y = y - rate * (slope / N * (1 - hidden**2)) @ w.T
      y[:, -1] = np.clip(y[:, -1], 0, 1)
      points[-1].append(y)
  return np.swapaxes(points, 0, 1)


def test_huber():
  x = np.array([-3, -1, -0.5, 0, 0.25, 1, 2])
  wanted = [2.5, 0.5, 0.125, 0, 0.03125, 0.5, 1.5]
  np.testing.assert_allclose(huber(x), wanted)
  slopes = jax.vmap(jax.grad(huber))(x)
  np.testing.assert_allclose(slopes, np.clip(x, -1, 1))
  assert jax.grad(jax.grad(huber))(0.0) == 1


def test_against_a_plain_loop():
  w, z, start = example()
  got = predict_sets(encoder(w), z, start, learning_rate=5.0, num_steps=6)
  wanted = literal(w, z, start, 5.0, 6)
  np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)
  mask = got[..., -1]
  assert mask.min() == 0 or mask.max() == 1  # The projection did something.
  assert ((mask >= 0) & (mask <= 1)).all()


def test_the_order_of_the_start_is_that_of_the_sets():
  w, z, start = example()
  order = np.random.default_rng(1).permutation(N)
  one, other = (
    predict_sets(encoder(w), z, x, learning_rate=5.0, num_steps=4)
    for x in (start, start[order])
  )
  np.testing.assert_allclose(other, one[:, :, order], rtol=1e-10)


def test_gradients_are_slopes():
  w, z, start = example()
  weights = np.random.default_rng(2).normal(size=(4, S, N, D + 1))

  @jax.jit
  def loss(inputs):
    w, z, start, rate = inputs
    sets = predict_sets(encoder(w), z, start, learning_rate=rate, num_steps=3)
    return jnp.sum(weights * sets)

  inputs = w, z, 0.5 * start, jnp.asarray(2.0)
  for i, slope in enumerate(jax.grad(loss)(inputs)):
    direction = np.random.default_rng(3 + i).normal(size=np.shape(slope))
    moved = [
      loss(
        tuple(x + e * direction if i == j else x for j, x in enumerate(inputs))
      )
      for e in (1e-6, -1e-6)
    ]
    measured = (moved[0] - moved[1]) / 2e-6
    np.testing.assert_allclose(np.sum(slope * direction), measured, rtol=1e-5)


def test_a_set_that_is_encoded_so_stays():
  w, _, start = example()
  start = np.clip(start, 0, 1)
  z = encode_dense(encoder(w), jnp.asarray(np.tile(start, (S, 1, 1))))
  sets = predict_sets(encoder(w), z, start, learning_rate=5.0, num_steps=3)
  np.testing.assert_allclose(sets, np.broadcast_to(start, sets.shape))


def test_vectors_of_another_length():
  w, z, start = example()
  with pytest.raises(ValueError, match=r"makes vectors \[3, 7\] .* \[3, 6\]"):
    predict_sets(encoder(w), z[:, 1:], start, learning_rate=1.0, num_steps=1)


def test_slots_that_are_left_over_are_zero():
  rng = np.random.default_rng(7)
  elements = rng.normal(size=(S, N, D))
  mask = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0.5, 1, 1]])
  sets = with_mask(jnp.asarray(elements), jnp.asarray(mask), N + 2)
  assert sets.shape == (S, N + 2, D + 1)
  np.testing.assert_array_equal(sets[:, :N, D], mask)
  np.testing.assert_array_equal(
    sets[:, :N, :D], np.where(mask[..., None] > 0, elements, 0)
  )
  assert not np.any(sets[:, N:])
  traced = jax.jit(with_mask, static_argnums=2)(elements, mask, N + 2)
  np.testing.assert_array_equal(traced, sets)


def test_more_elements_than_slots():
  with pytest.raises(ValueError, match="5 elements need as many slots, got 4"):
    with_mask(jnp.zeros((S, N, D)), jnp.ones((S, N)), N - 1)


@pytest.mark.parametrize("value", [-0.5, 1.25, np.nan])
def test_a_mask_that_is_none(value):
  mask = np.ones((S, N))
  mask[2, 3] = value
  message = rf"lie in \[0, 1\], got {value:g} for element 3 of set 2"
  with pytest.raises(ValueError, match=message):
    with_mask(jnp.zeros((S, N, D)), mask, N)
