"""Optimised permutations against loops, finite differences and sorting."""

from __future__ import annotations

import itertools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from gnn_readout.layers import permutation as lib

pytestmark = pytest.mark.usefixtures("double_precision")

S, N = 2, 6


def example(size=N, seed=0):
  rng = np.random.default_rng(seed)
  costs = lib.normalised(jnp.asarray(rng.normal(size=(S, size, size))))
  logits = jnp.asarray(rng.normal(size=(S, size, size)))
  return np.asarray(costs), np.exp(lib.log_sinkhorn(logits, 4)), logits


def literal_cost(p, c):
  """Equation 4.1, a term at a time."""
  n, places = p.shape
  return sum(
    c[i, j] * p[i, k] * p[j, m] * np.sign(m - k)
    for i, j in itertools.product(range(n), repeat=2)
    for k, m in itertools.product(range(places), repeat=2)
  )


def literal_sinkhorn(logits, rounds):
  p = np.exp(logits)
  for _ in range(rounds):
    p = p / p.sum(axis=1, keepdims=True)
    p = p / p.sum(axis=0, keepdims=True)
  return p


def test_sinkhorn():
  logits = np.asarray(example()[2])
  got = np.exp(lib.log_sinkhorn(logits, 3))
  wanted = [literal_sinkhorn(x, 3) for x in logits]
  np.testing.assert_allclose(got, wanted, rtol=1e-12)
  np.testing.assert_allclose(got.sum(1), 1)
  assert np.isfinite(lib.log_sinkhorn(1e5 * logits, 3)).all()


@pytest.mark.parametrize("spread", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("rounds", [1, 4])
def test_scaling_is_the_same_in_logarithms(spread, rounds):
  """Values and derivatives, where the matrix is near a permutation as well."""
  rng = np.random.default_rng(5)
  logits = jnp.asarray(spread * rng.normal(size=(S, 7, 7)))
  weights = jnp.asarray(rng.normal(size=(S, 7, 7)))
  found = []
  for function in (lib.scaled_log_sinkhorn, lib.log_sinkhorn):

    def loss(x, function=function):
      return jnp.sum(weights * jnp.exp(function(x, rounds)))

    slope = jax.grad(loss)
    # Of a derivative the derivative along one direction, in reverse mode.
    bend = jax.grad(lambda x, slope=slope: jnp.sum(weights[::-1] * slope(x)))
    results = function(logits, rounds), slope(logits), bend(logits)
    found.append(results)
    for got, wanted in zip(jax.vmap(slope)(logits[None]), slope(logits)[None]):
      np.testing.assert_allclose(got, wanted, atol=1e-12)
  for name, got, wanted in zip(("value", "slope", "bend"), *found):
    np.testing.assert_allclose(
      got, wanted, rtol=1e-10, atol=1e-11, err_msg=name
    )
    assert spread > 1 or np.any(np.abs(got) > 1e-4)  # Else near a permutation.


def test_single_precision_is_good_to_5_digits_of_double():
  rng = np.random.default_rng(6)
  exact = jnp.asarray(4 * rng.normal(size=(S, 80, 80)))
  wanted = lib.log_sinkhorn(exact, 4)
  got = lib.scaled_log_sinkhorn(exact.astype(jnp.float32), 4)
  assert got.dtype == jnp.float32
  np.testing.assert_allclose(np.exp(got), np.exp(wanted), atol=1e-5)
  wide = 1e4 * exact.astype(jnp.float32)
  assert np.isfinite(lib.scaled_log_sinkhorn(wide, 4)).all()


@pytest.mark.parametrize("size", [5, 40, 120])
@pytest.mark.parametrize("spread", [30.0, 400.0])
def test_near_a_permutation_what_is_small_is_cut_off(size, spread):
  rng = np.random.default_rng(7)
  logits = 0.05 * spread * rng.normal(size=(S, size, size))
  logits[:, np.arange(size), rng.permutation(size)] += spread
  logits = logits.astype(np.float32)
  got, (centred, *_) = lib._forward(jnp.asarray(logits), 4)
  assert got.dtype == jnp.float32 and lib._is_narrow(centred, 4)
  wanted = lib.log_sinkhorn(jnp.asarray(logits, jnp.float64), 4)
  np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-5)
  weights = jnp.asarray(rng.normal(size=logits.shape))

  def slope(function, logits):
    return jax.grad(lambda x: jnp.sum(weights * function(x, 4)))(logits)

  got = slope(lib.scaled_log_sinkhorn, jnp.asarray(logits))
  wanted = slope(lib.log_sinkhorn, jnp.asarray(logits, jnp.float64))
  np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("rounds", [1, 4, 40])
def test_a_column_without_a_large_weight_takes_logarithms(rounds):
  logits = np.zeros((1, 6, 6), np.float32)
  logits[:, :, 2] = -60.0  # No element wants this place.
  assert not lib._is_narrow(jnp.asarray(logits), rounds)
  got = lib.scaled_log_sinkhorn(jnp.asarray(logits), rounds)
  wanted = lib.log_sinkhorn(jnp.asarray(logits, jnp.float64), rounds)
  np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_costs_are_antisymmetric_and_of_norm_1():
  costs, *_ = example()
  np.testing.assert_allclose(costs, -np.swapaxes(costs, 1, 2))
  np.testing.assert_allclose(np.linalg.norm(costs, axis=(1, 2)), 1)
  slope = jax.grad(lambda x: jnp.sum(lib.normalised(x) ** 3))
  assert not np.any(lib.normalised(jnp.ones((2, 3, 3))))
  assert np.isfinite(slope(jnp.ones((2, 3, 3)))).all()


def test_the_cost_and_its_gradient():
  costs, p, _ = example()
  got = lib.total_cost(p, costs)
  wanted = [literal_cost(x, c) for x, c in zip(p, costs)]
  np.testing.assert_allclose(got, wanted, atol=1e-12)
  slope = jax.grad(lambda p: jnp.sum(lib.total_cost(p, costs)))(jnp.asarray(p))
  np.testing.assert_allclose(lib.cost_gradient(p, costs), slope, atol=1e-12)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 97])
def test_running_sums(size):
  x = np.random.default_rng(size).normal(size=(2, 3, size))
  np.testing.assert_allclose(lib.running_sums(x), x.cumsum(-1), atol=1e-12)


def test_the_gradient_of_a_grid():
  rng = np.random.default_rng(1)
  costs = rng.normal(size=(S, 2, 9, 9))
  costs -= np.swapaxes(costs, 2, 3)
  p = rng.random((S, 9, 3, 3))

  def cost(p):
    total = 0.0
    for s in range(S):
      for r in range(3):
        total += lib.total_cost(p[s, :, r, :], costs[s, 0])
        total += lib.total_cost(p[s, :, :, r], costs[s, 1])
    return total

  wanted = jax.grad(cost)(jnp.asarray(p))
  np.testing.assert_allclose(lib.grid_gradient(p, costs), wanted, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_against_a_plain_loop(steps):
  costs, _, start = example()
  got = lib.optimised(costs, start, learning_rate=1.5, num_steps=steps)
  sign = np.sign(np.arange(N)[:, None] - np.arange(N))  # [k, q]: k behind q.
  for s in range(S):
    logits = np.array(start[s])
    for _ in range(steps):
      p = literal_sinkhorn(logits, 4)
      logits = logits - 1.5 * 2 * costs[s] @ (p @ sign)
    np.testing.assert_allclose(
      np.exp(got[s]), literal_sinkhorn(logits, 4), rtol=1e-10
    )


def test_the_first_step_is_a_sort_by_a_score():
  """From the uniform P, P'_iq = -2 eta r_i (N - 1 - 2q) / N, r_i = sum C_ij."""
  costs, *_ = example()
  got = lib.optimised(
    costs,
    jnp.zeros((S, N, N)),
    learning_rate=0.7,
    num_steps=1,
    to_log_permutation=lambda x: jnp.where(jnp.any(x), x, -jnp.log(N)),
  )
  places = N - 1 - 2 * np.arange(N)
  wanted = -2 * 0.7 * costs.sum(2)[:, :, None] * places / N
  np.testing.assert_allclose(got, wanted, atol=1e-12)


@pytest.mark.parametrize("size", [5, 10, 80])
@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_numbers_are_sorted_by_their_differences(size, rate):
  """With F = x_i - x_j, by the Hungarian method on -P as on -log P."""
  numbers = np.random.default_rng(size).random((3, size))
  costs = numbers[:, :, None] - numbers[:, None]
  log_p = lib.optimised(
    lib.normalised(jnp.asarray(costs)),
    jnp.zeros((3, size, size)),
    learning_rate=rate,
    num_steps=6,
  )
  for x, log in zip(numbers, np.asarray(log_p)):
    for score in (np.exp(log), log):
      order = linear_sum_assignment(-score.T)[1]  # Of places, the elements.
      np.testing.assert_array_equal(x[order], np.sort(x))


def test_order_of_elements():
  """Rows of P go with the elements, so P^T X is the same in any order."""
  costs, *_ = example()
  order = np.random.default_rng(2).permutation(N)
  one, other = (
    lib.optimised(c, jnp.zeros((S, N, N)), learning_rate=1.0, num_steps=3)
    for c in (costs, costs[:, order][:, :, order])
  )
  np.testing.assert_allclose(other, one[:, order], atol=1e-12)


def test_gradients_are_slopes():
  rng = np.random.default_rng(3)
  raw, start = rng.normal(size=(2, S, 4, 4))
  weights = rng.normal(size=(S, 4, 4))

  @jax.jit
  def loss(inputs):
    raw, start, rate = inputs
    log_p = lib.optimised(
      lib.normalised(raw), start, learning_rate=rate, num_steps=3
    )
    return jnp.sum(weights * jnp.exp(log_p))

  inputs = jnp.asarray(raw), jnp.asarray(start), jnp.asarray(1.3)
  for i, slope in enumerate(jax.grad(loss)(inputs)):
    direction = rng.normal(size=np.shape(slope))

    def along(step, i=i, direction=direction):
      moved = [*inputs]
      moved[i] = moved[i] + step * direction
      return loss(tuple(moved))

    measured = (along(1e-6) - along(-1e-6)) / 2e-6
    np.testing.assert_allclose(np.sum(slope * direction), measured, rtol=1e-6)


def test_a_grid_needs_a_square():
  with pytest.raises(ValueError, match="square number of elements, got 6"):
    lib.optimised(
      jnp.zeros((S, 2, N, N)),
      jnp.zeros((S, N, N)),
      learning_rate=1.0,
      num_steps=1,
    )


@pytest.mark.parametrize("num_outputs", [1, 2])
def test_pairs_are_the_same_one_hidden_unit_after_another(
  num_outputs, monkeypatch
):
  """Costs, their derivatives, and derivatives of those."""
  rng = np.random.default_rng(8)
  elements = jnp.asarray(rng.normal(size=(S, 6, 3)))
  weights = jnp.asarray(rng.normal(size=(S, num_outputs, 6, 6)))
  network = hk.without_apply_rng(
    hk.transform(lambda x: lib.pair_costs(x, 5, num_outputs))
  )
  params = network.init(jax.random.key(0), elements)

  def loss(params, elements):
    return jnp.sum(weights * network.apply(params, elements) ** 2)

  def bend(params, elements):
    slopes = jax.grad(loss, (0, 1))(params, elements)
    return sum(jnp.sum(x**2) for x in jax.tree.leaves(slopes))

  found = []
  for shortest in (0, 100):
    monkeypatch.setattr(lib, "_LONG", shortest)
    found.append(
      [
        network.apply(params, elements),
        *(jax.grad(f, (0, 1))(params, elements) for f in (loss, bend)),
      ]
    )
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9), *found
  )
