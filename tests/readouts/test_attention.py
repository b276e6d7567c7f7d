"""Attention with keys and values written out, as in the transformer."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.attention import Attention
from tests import gradients

pytestmark = pytest.mark.usefixtures("double_precision")

D, H = 15, 5  # Heads of 3.
SIZES = (7, 0, 1, 11, 2)
N = sum(SIZES) + 5


def readout(num_heads=H):
  return hk.without_apply_rng(
    hk.transform(
      lambda elements: (
        Attention(num_heads, name="attention")(
          elements, make_sets(np.array(SIZES), N)
        ).values
      )
    )
  )


@functools.partial(jax.jit, static_argnums=2)
def apply(elements, params, num_heads=H):
  return readout(num_heads).apply({"attention": params}, elements)


def example():
  """Returns elements and parameters, the bias and the query away from zero."""
  rng = np.random.default_rng(0)
  params = {
    "key": rng.normal(size=(D, D)),
    "value": rng.normal(size=(D, D)),
    "value_bias": rng.normal(size=D),
    "query": rng.normal(size=(H, D // H)),
  }
  return jax.tree.map(jnp.asarray, (rng.normal(size=(N, D)), params))


_NO_BIAS = np.zeros(D)


@functools.partial(jax.jit, static_argnums=2)
def literal(elements, params, num_heads=H, key_bias=_NO_BIAS):
  """softmax(q k^T / sqrt(D/H)) v, set by set and head by head."""
  keys = elements @ params["key"] + key_bias  # [N, D]
  values = elements @ params["value"] + params["value_bias"]  # [N, D]
  size, starts, rows = D // num_heads, np.cumsum((0, *SIZES)), []
  for start, n in zip(starts, SIZES):
    own, heads = slice(start, start + n), []
    for h in range(num_heads):
      columns = slice(h * size, (h + 1) * size)
      scores = keys[own, columns] @ params["query"][h] / np.sqrt(size)
      weights = jnp.exp(scores) / jnp.sum(jnp.exp(scores))
      heads.append(weights @ values[own, columns] if n else jnp.zeros(size))
    rows.append(jnp.concatenate(heads))
  return jnp.stack(rows)


def test_parameters_of_the_readout():
  init = jax.jit(readout().init)
  params = init(jax.random.key(0), example()[0])["attention"]
  assert jax.tree.map(jnp.shape, dict(params)) == jax.tree.map(
    jnp.shape, example()[1]
  )
  np.testing.assert_array_equal(params["value_bias"], 0)


def test_values_and_gradients_are_those_of_explicit_keys():
  elements, params = example()
  weights = jnp.asarray(np.random.default_rng(1).normal(size=(len(SIZES), D)))

  gradients.assert_same(apply, literal, (elements, params), weights)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_any_number_of_heads(num_heads):
  elements, params = example()
  params["query"] = params["query"].reshape(num_heads, D // num_heads)
  values = apply(elements, params, num_heads)
  np.testing.assert_allclose(
    values, literal(elements, params, num_heads), atol=1e-12
  )


def test_a_bias_of_the_keys_would_change_nothing():
  elements, params = example()
  values = apply(elements, params)
  bias = jnp.asarray(np.random.default_rng(2).normal(size=D))
  np.testing.assert_allclose(
    values, literal(elements, params, key_bias=bias), atol=1e-12
  )


def test_equal_keys_give_the_mean():
  """Elements differ in the last feature alone, which the keys do not see."""
  elements, params = example()
  elements = elements.at[:, :-1].set(elements[0, :-1])
  params["key"] = params["key"].at[-1].set(0)
  values = apply(elements, params)
  starts = np.cumsum((0, *SIZES))
  for s, (start, n) in enumerate(zip(starts, SIZES)):
    expected = np.zeros(D)
    if n:
      mean = np.asarray(elements)[start : start + n].mean(0)
      expected = mean @ np.asarray(params["value"]) + params["value_bias"]
    np.testing.assert_allclose(values[s], expected, atol=1e-12)


def test_sharp_scores_pick_one_element_per_head():
  elements, params = example()
  params["query"] = 1e5 * params["query"]
  values = apply(elements, params)
  x, size = np.asarray(elements)[:7], D // H
  keys = x @ np.asarray(params["key"])
  mapped = x @ np.asarray(params["value"]) + params["value_bias"]
  for h in range(H):
    columns = slice(h * size, (h + 1) * size)
    best = np.argmax(keys[:, columns] @ np.asarray(params["query"][h]))
    np.testing.assert_allclose(
      values[0, columns], mapped[best, columns], atol=1e-12
    )


def test_an_empty_set_gives_zero_and_a_single_element_its_value():
  elements, params = example()
  values = apply(elements, params)
  np.testing.assert_array_equal(values[1], 0)
  np.testing.assert_allclose(
    values[2], elements[7] @ params["value"] + params["value_bias"], atol=1e-12
  )


def test_bad_numbers_of_heads():
  with pytest.raises(ValueError, match="num_heads must be positive, got 0"):
    readout(num_heads=0).init(jax.random.key(0), example()[0])
  with pytest.raises(ValueError, match="must divide the width 15, got 4"):
    readout(num_heads=4).init(jax.random.key(0), example()[0])
