"""Linear layers' first weights, and the statistics of dropout."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers.mlp import Linear, dropout

N, D = 1009, 101


@functools.cache
def compiled(rate):
  return jax.jit(hk.transform(lambda x: dropout(x, rate, True)).apply)


def drop(x, rate, seed=0):
  return compiled(rate)({}, jax.random.key(seed), x)


def kept(rate, seed=0, shape=(N, D)):
  """Returns which entries are kept, less their mean: [N, D], variance pq."""
  mask = np.asarray(drop(jnp.ones(shape), rate, seed)) > 0
  return mask - (1 - rate)


def assert_uncorrelated(a, b, rate):
  """Checks that the mean product is within five standard errors of zero."""
  error = rate * (1 - rate) / np.sqrt(a.size)
  assert abs((a * b).mean()) < 5 * error


@pytest.mark.parametrize("fan_in", [3, 101])
def test_linear_starts_as_pytorchs(fan_in):
  function = hk.without_apply_rng(hk.transform(lambda x: Linear(499)(x)))
  x = np.random.default_rng(0).normal(size=(5, fan_in)).astype(np.float32)
  params = function.init(jax.random.key(0), x)
  bound = fan_in**-0.5
  for leaf in (params["linear"]["w"], params["linear"]["b"]):
    assert 0.98 * bound < jnp.abs(leaf).max() <= bound
    assert abs(leaf.mean()) < 5 * bound / np.sqrt(3 * leaf.size)
    np.testing.assert_allclose(leaf.std(), bound / np.sqrt(3), rtol=0.1)
  np.testing.assert_allclose(
    function.apply(params, x),
    x @ params["linear"]["w"] + params["linear"]["b"],
    rtol=1e-5,
    atol=1e-5,
  )


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_at_the_rate(rate):
  x = jnp.asarray(np.random.default_rng(1).uniform(1, 2, (N, D)), jnp.float32)
  y = np.asarray(drop(x, rate))
  dropped = y == 0
  error = np.sqrt(rate * (1 - rate) / dropped.size)
  assert abs(dropped.mean() - rate) < 5 * error
  np.testing.assert_allclose(
    y[~dropped], np.asarray(x)[~dropped] / (1 - rate), rtol=1e-6
  )
  assert abs(y.mean() - x.mean()) < 5 * 2 * error / (1 - rate)
  # Every row and every column is thinned alike.
  for axis in (0, 1):
    share = dropped.mean(axis)
    spread = np.sqrt(rate * (1 - rate) / dropped.shape[axis])
    assert np.abs(share - rate).max() < 6 * spread
    np.testing.assert_allclose(share.std(), spread, rtol=0.3)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_is_independent_between_entries(rate):
  mask = kept(rate)
  for shift in (1, 2, 3, 4, 8, 16, 32, 64):
    assert_uncorrelated(mask[:, shift:], mask[:, :-shift], rate)  # Columns.
    assert_uncorrelated(mask[shift:], mask[:-shift], rate)  # Rows.
  # No pair of columns goes together.
  products = mask.T @ mask / N
  np.fill_diagonal(products, 0)
  assert np.abs(products).max() < 6 * rate * (1 - rate) / np.sqrt(N)


def test_dropout_is_independent_for_a_power_of_two_width():
  """Positions then share their low bits down a column."""
  mask = kept(0.5, shape=(512, 256))
  products = mask.T @ mask / 512
  np.fill_diagonal(products, 0)
  assert np.abs(products).max() < 6 * 0.25 / np.sqrt(512)


def test_dropout_is_independent_between_steps():
  masks = [kept(0.5, seed) for seed in range(13)]
  for i, a in enumerate(masks):
    for b in masks[:i]:
      assert_uncorrelated(a, b, 0.5)
  # An entry is not dropped more often than others over the steps.
  share = np.mean([kept(0.5, seed, (31, 7)) for seed in range(211)], axis=0)
  assert np.abs(share).max() < 5 * 0.5 / np.sqrt(211)


def test_dropout_is_independent_between_layers():
  def forward(x):
    return dropout(x, 0.5, True), dropout(x, 0.5, True)

  ones = jnp.ones((N, D))
  first, second = hk.transform(forward).apply({}, jax.random.key(0), ones)
  assert_uncorrelated(np.sign(first) - 0.5, np.sign(second) - 0.5, 0.5)


def test_dropout_repeats_with_its_key():
  x = jnp.ones((31, 7))
  np.testing.assert_array_equal(drop(x, 0.5, 3), drop(x, 0.5, 3))
  assert (np.asarray(drop(x, 0.5, 3)) != drop(x, 0.5, 4)).any()


def test_gradient_passes_where_the_entry_is_kept():
  x = jnp.asarray(np.random.default_rng(2).normal(size=(31, 7)), jnp.float32)
  weights = np.random.default_rng(3).normal(size=(31, 7)).astype(np.float32)
  gradient = jax.grad(lambda x: jnp.sum(drop(x, 0.3) * weights))(x)
  mask = np.asarray(drop(x, 0.3)) != 0
  np.testing.assert_allclose(gradient, mask * weights / 0.7, rtol=1e-6)


def test_dropped_entries_pass_no_nan_on():
  x = jnp.full((31, 7), jnp.inf)
  y, gradient = jax.value_and_grad(lambda x: drop(x, 0.5)[0, :].sum())(x)
  assert not np.isnan(y)
  assert np.isfinite(gradient).all()


def test_no_dropout_in_evaluation_or_at_rate_zero():
  x = jnp.ones((3, 5))
  for rate, is_training in ((0.5, False), (0.0, True)):
    function = hk.transform(lambda x: dropout(x, rate, is_training))
    assert function.apply({}, None, x) is x  # No key is needed either.


def test_double_precision():
  with jax.enable_x64(True):
    x = jnp.asarray(np.random.default_rng(4).normal(size=(31, 7)))
    y = drop(x, 0.3)
    mask = np.asarray(y) != 0
    assert y.dtype == jnp.float64
    np.testing.assert_allclose(y, mask * np.asarray(x) / 0.7, rtol=1e-15)
    single = drop(x.astype(jnp.float32), 0.3)
  np.testing.assert_array_equal(mask, np.asarray(single) != 0)


@pytest.mark.parametrize("fan_in", [3, 101])
def test_linear_with_xaviers_weights_and_no_bias(fan_in):
  function = hk.transform(lambda x: Linear(499, "xavier")(x))
  params = function.init(jax.random.key(0), jnp.ones((5, fan_in)))["linear"]
  bound = (6 / (fan_in + 499)) ** 0.5
  assert 0.98 * bound < jnp.abs(params["w"]).max() <= bound
  np.testing.assert_allclose(params["w"].std(), bound / np.sqrt(3), rtol=0.1)
  np.testing.assert_array_equal(params["b"], 0)


def test_unknown_initialisation():
  function = hk.transform(lambda x: Linear(7, "xaver")(x))
  with pytest.raises(ValueError, match="Did you mean 'xavier'"):
    function.init(jax.random.key(0), jnp.ones((5, 3)))


def test_dropout_at_rates_that_are_traced():
  """The members of a population have a rate each, perhaps 0."""
  x = jnp.ones((13, 7))
  rates = (0.0, 0.25, 0.5)
  function = hk.transform(lambda rate: dropout(x, rate, True))
  member = lambda rate: function.apply({}, jax.random.key(3), rate)
  together = jax.jit(jax.vmap(member))(jnp.array(rates))
  for rate, y in zip(rates, together):
    np.testing.assert_array_equal(y, drop(x, rate, seed=3) if rate else x)
