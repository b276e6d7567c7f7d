"""FSPool, FSUnpool and NeuralSort against the formulas, set by set."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.layers import featurewise_sort

pytestmark = pytest.mark.usefixtures("double_precision")

D, K = 3, 5
SIZES = (7, 0, 1, 11, 2)
N = sum(SIZES) + 5


def f(r, w):
  """Equation 5.6, term by term."""
  k = len(w)
  return sum(max(0, 1 - abs(r * (k - 1) - i)) * w[i] for i in range(k))


def ratios(n):
  return [j / (n - 1) if n > 1 else 0.0 for j in range(n)]


def example():
  rng = np.random.default_rng(0)
  elements = rng.normal(size=(N, D))
  elements[sum(SIZES) :] = np.nan
  return (
    elements,
    make_sets(np.array(SIZES), N),
    rng.normal(size=(K, D)),
    rng.normal(size=(K, D)),
    rng.normal(size=(len(SIZES), D)),
  )


def test_fspool_and_fsunpool():
  elements, sets, knots, decoder, vectors = example()
  values, rows = jax.jit(featurewise_sort.fspool)(elements, sets, knots)
  unpooled = jax.jit(featurewise_sort.fsunpool)(vectors, sets, decoder, rows)
  start = 0
  for s, n in enumerate(SIZES):
    for d in range(D):
      x = elements[start : start + n, d]
      order = np.argsort(-x)
      y = sum(f(r, knots[:, d]) * v for r, v in zip(ratios(n), x[order]))
      np.testing.assert_allclose(values[s, d], y, atol=1e-12)
      np.testing.assert_array_equal(
        np.asarray(rows)[start : start + n, d], start + order
      )
      for r, row in zip(ratios(n), start + order):
        np.testing.assert_allclose(
          unpooled[row, d], f(r, decoder[:, d]) * vectors[s, d], atol=1e-12
        )
    start += n
  np.testing.assert_array_equal(unpooled[start:], 0)


def test_the_auto_encoder_is_equivariant():
  elements, sets, knots, decoder, _ = example()

  @jax.jit
  def encode_decode(elements):
    values, rows = featurewise_sort.fspool(elements, sets, knots)
    return featurewise_sort.fsunpool(jnp.tanh(values), sets, decoder, rows)

  order = np.arange(N)
  order[8:19] = np.random.default_rng(1).permutation(order[8:19])
  np.testing.assert_allclose(
    encode_decode(elements[order]), encode_decode(elements)[order], atol=1e-12
  )


def literal_neural_sort(s, tau):
  n = len(s)
  rows = []
  for i in range(1, n + 1):
    logits = [
      ((n + 1 - 2 * i) * s[j] - sum(abs(s[j] - s[k]) for k in range(n))) / tau
      for j in range(n)
    ]
    weights = np.exp(np.array(logits) - max(logits))
    rows.append(weights / weights.sum())
  return np.array(rows)


@pytest.mark.parametrize("tau", [0.3, 2.0])
def test_neural_sort(tau):
  scores = np.random.default_rng(2).normal(size=(2, 7))
  permutation = jax.jit(featurewise_sort.neural_sort)(scores, tau)
  for p, s in zip(permutation, scores):
    np.testing.assert_allclose(p, literal_neural_sort(s, tau), atol=1e-12)


def test_relaxed_pooling_and_unpooling():
  rng = np.random.default_rng(3)
  elements = rng.normal(size=(2, 7, D))
  vectors = rng.normal(size=(2, D))
  _, _, knots, decoder, _ = example()
  values, permutation = jax.jit(featurewise_sort.relaxed_fspool)(
    elements, knots, 0.5
  )
  unpooled = jax.jit(featurewise_sort.relaxed_fsunpool)(
    vectors, decoder, permutation
  )
  for s in range(2):
    for d in range(D):
      p = literal_neural_sort(elements[s, :, d], 0.5)
      w = [f(r, knots[:, d]) for r in ratios(7)]
      np.testing.assert_allclose(values[s, d], w @ p @ elements[s, :, d])
      w = np.array([f(r, decoder[:, d]) for r in ratios(7)])
      np.testing.assert_allclose(unpooled[s, :, d], p.T @ w * vectors[s, d])


def test_the_relaxed_functions_approach_the_others():
  _, _, knots, decoder, vectors = example()
  sets, vectors = make_sets(np.array([7, 7]), 14), vectors[:2]
  elements = np.random.default_rng(4).normal(size=(14, D))
  dense = elements.reshape(2, 7, D)
  values, rows = jax.jit(featurewise_sort.fspool)(elements, sets, knots)
  unpooled = jax.jit(featurewise_sort.fsunpool)(vectors, sets, decoder, rows)
  relaxed, permutation = jax.jit(featurewise_sort.relaxed_fspool)(
    dense, knots, 1e-4
  )
  np.testing.assert_allclose(relaxed, values, atol=1e-9)
  relaxed = jax.jit(featurewise_sort.relaxed_fsunpool)(
    vectors, decoder, permutation
  )
  np.testing.assert_allclose(relaxed.reshape(14, D), unpooled, atol=1e-9)


def test_relaxed_gradient_is_finite_where_elements_are_equal():
  _, _, knots, _, _ = example()
  gradient = jax.grad(
    lambda x: featurewise_sort.relaxed_fspool(x, knots, 1.0)[0].sum()
  )
  assert np.isfinite(jax.jit(gradient)(jnp.ones((2, 7, D)))).all()
