"""Embeddings against a lookup table by table."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import encoders
from gnn_readout.layers.encoders import (
  FeatureEncoder,
  embedding_table,
  multi_hot,
)

pytestmark = pytest.mark.usefixtures("double_precision")

SIZES = (11, 3, 2, 1)
N, D = 13, 7


def encoder(width=D, sizes=SIZES):
  return hk.without_apply_rng(
    hk.transform(lambda x: FeatureEncoder(width, sizes, name="encoder")(x))
  )


def features(dtype=np.uint8, sizes=SIZES):
  rng = np.random.default_rng(0)
  columns = [rng.integers(0, size, N) for size in sizes]
  return np.stack(columns, axis=1).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_multi_hot(dtype):
  x = features(dtype)
  expected = np.concatenate(
    [np.eye(size)[x[:, f]] for f, size in enumerate(SIZES)], axis=1
  )
  result = multi_hot(jnp.asarray(x), SIZES)
  np.testing.assert_array_equal(result, expected)
  assert result.dtype == jnp.float64


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (300, np.int16)])
def test_multi_hot_of_the_widest_vocabulary(size, dtype):
  x = np.array([[0], [size // 2], [size - 1]], dtype)
  np.testing.assert_array_equal(
    multi_hot(jnp.asarray(x), (size,)), np.eye(size)[x[:, 0]]
  )


def test_sum_of_lookups_and_its_gradient():
  x = features()
  rng = np.random.default_rng(1)
  table, weights = rng.normal(size=(sum(SIZES), D)), rng.normal(size=(N, D))

  @jax.jit
  def values_and_slopes(table):
    values, pull = jax.vjp(
      lambda t: encoder().apply({"encoder": {"table": t}}, jnp.asarray(x)),
      table,
    )
    return values, *pull(jnp.asarray(weights))

  values, gradient = values_and_slopes(table)
  tables = np.split(table, np.cumsum(SIZES)[:-1])
  expected = sum(tables[f][x[:, f]] for f in range(len(SIZES)))
  np.testing.assert_allclose(values, expected, atol=1e-13)
  slopes = [np.zeros_like(t) for t in tables]
  for f, slope in enumerate(slopes):
    np.add.at(slope, x[:, f], weights)
  np.testing.assert_allclose(gradient, np.concatenate(slopes), atol=1e-13)


def test_single_precision_lookups_are_exact():
  """A multi-hot product adds nothing but zeros to the chosen rows."""
  with jax.enable_x64(False):
    x = features(sizes=(11,))
    table = np.random.default_rng(3).normal(size=(11, D)).astype(np.float32)
    values = encoder(sizes=(11,)).apply(
      {"encoder": {"table": jnp.asarray(table)}}, jnp.asarray(x)
    )
    assert values.dtype == jnp.float32
    np.testing.assert_array_equal(values, table[x[:, 0]])


def test_xavier_uniform_table_by_table():
  """The spread of each table follows its own size."""
  sizes, width = (119, 5, 12), 293
  init = jax.jit(encoder(width, sizes).init)
  params = init(jax.random.key(1), jnp.zeros((1, 3), jnp.uint8))
  table = np.asarray(params["encoder"]["table"])
  tables = np.split(table, np.cumsum(sizes)[:-1])
  for size, table in zip(sizes, tables):
    bound = np.sqrt(6 / (size + width))
    assert 0.99 * bound < np.abs(table).max() <= bound
    assert abs(table.mean()) < 5 * bound / np.sqrt(3 * table.size)
    np.testing.assert_allclose(table.std(), bound / np.sqrt(3), rtol=0.05)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_features_without_vocabulary_are_mapped_linearly(dtype):
  rng = np.random.default_rng(2)
  x = (100 * rng.uniform(size=(N, 3))).astype(dtype)
  linear = {"w": rng.normal(size=(3, D)), "b": rng.normal(size=D)}
  values = encoder(sizes=()).apply(
    {"encoder/linear": jax.tree.map(jnp.asarray, linear)}, jnp.asarray(x)
  )
  assert values.dtype == jnp.float64
  np.testing.assert_allclose(values, x @ linear["w"] + linear["b"], rtol=1e-12)


@pytest.mark.parametrize("num_features", [0, 31])
def test_table_of_features_without_vocabulary(num_features):
  function = hk.transform(
    lambda: embedding_table("bonds", (), num_features, 293, jnp.float64)
  )
  params = jax.jit(function.init)(jax.random.key(0))
  table = function.apply(params, jax.random.key(0))
  assert table.shape == (num_features, 293)
  # An array without numbers is no parameter: no checkpoint can hold it.
  assert len(jax.tree.leaves(params)) == bool(num_features)
  if num_features:
    np.testing.assert_allclose(np.std(table), 31**-0.5, rtol=0.05)


@pytest.mark.parametrize("most", [sum(SIZES), sum(SIZES) - 1])
def test_a_product_and_a_lookup_give_the_same(monkeypatch, most):
  monkeypatch.setitem(encoders._MAX_PRODUCT_ROWS, "cpu", most)
  x = jnp.asarray(features())
  rng = np.random.default_rng(1)
  table, weight = rng.normal(size=(sum(SIZES), D)), rng.normal(size=(N, D))
  project = lambda table: encoders.project(x, SIZES, table)
  y, pull = jax.vjp(project, jnp.asarray(table))
  hot = np.asarray(multi_hot(x, SIZES))
  np.testing.assert_allclose(y, hot @ table, rtol=1e-12)
  np.testing.assert_allclose(pull(jnp.asarray(weight))[0], hot.T @ weight)
  looked_up = "gather" in str(jax.make_jaxpr(project)(jnp.asarray(table)))
  assert looked_up == (most < sum(SIZES))


def test_real_values_are_multiplied_as_they_are():
  x = np.random.default_rng(2).normal(size=(N, 3))
  table = np.random.default_rng(3).normal(size=(3, D))
  y = encoders.project(jnp.asarray(x, jnp.float32), (), jnp.asarray(table))
  np.testing.assert_allclose(y, x.astype(np.float32) @ table, rtol=1e-12)
  assert encoders.raw_features(jnp.arange(7)[:, None], ()).dtype == jnp.float64


def mixed(sizes=SIZES, num_values=3):
  """Categories before numbers, as a store of both kinds has them."""
  numbers = np.random.default_rng(5).normal(size=(N, num_values))
  return np.concatenate([features(sizes=sizes), numbers], axis=1)


def test_categories_and_numbers_are_added_up():
  x = mixed()
  rng = np.random.default_rng(2)
  table = rng.normal(size=(sum(SIZES), D))
  linear = {"w": rng.normal(size=(3, D)), "b": rng.normal(size=D)}
  params = {"encoder": {"table": table}, "encoder/linear": linear}
  values = encoder().apply(params, jnp.asarray(x))
  tables = np.split(table, np.cumsum(SIZES)[:-1])
  codes = x[:, : len(SIZES)].astype(int)
  expected = x[:, len(SIZES) :] @ linear["w"] + linear["b"]
  expected += sum(tables[f][codes[:, f]] for f in range(len(SIZES)))
  np.testing.assert_allclose(values, expected, atol=1e-13)
  made = jax.eval_shape(encoder().init, jax.random.key(0), jnp.asarray(x))
  assert jax.tree.map(jnp.shape, made) == jax.tree.map(np.shape, params)


@pytest.mark.parametrize("most", [sum(SIZES), sum(SIZES) - 1])
def test_a_projection_of_both_kinds(monkeypatch, most):
  monkeypatch.setitem(encoders._MAX_PRODUCT_ROWS, "cpu", most)
  x = mixed()
  width = encoders.num_raw_features(x.shape[1], SIZES)
  table = np.random.default_rng(1).normal(size=(width, D))
  raw = np.asarray(encoders.raw_features(jnp.asarray(x), SIZES))
  hot = np.asarray(multi_hot(jnp.asarray(features()), SIZES))
  np.testing.assert_array_equal(raw[:, : sum(SIZES)], hot)
  np.testing.assert_array_equal(raw[:, sum(SIZES) :], x[:, len(SIZES) :])
  y = encoders.project(jnp.asarray(x), SIZES, jnp.asarray(table))
  np.testing.assert_allclose(y, raw @ table, rtol=1e-12)


@pytest.mark.parametrize(("sizes", "num_values"), [(SIZES, 0), ((), 3)])
def test_one_kind_alone_is_drawn_as_if_there_were_no_other(sizes, num_values):
  """What was trained before there were both kinds can be trained on."""
  num_features, width = sum(sizes) + num_values, 7
  make = lambda: embedding_table("t", sizes, num_features, width, jnp.float32)

  def plainly():
    def draw(shape, dtype):
      key = hk.next_rng_key()
      if not sizes:
        return num_values**-0.5 * jax.random.normal(key, shape, dtype)
      bounds = np.repeat([(6 / (s + width)) ** 0.5 for s in sizes], sizes)
      drawn = jax.random.uniform(key, shape, dtype, -1.0, 1.0)
      return jnp.asarray(bounds, dtype)[:, None] * drawn

    return hk.get_parameter("t", (num_features, width), jnp.float32, draw)

  trees = [hk.transform(f).init(jax.random.key(3)) for f in (make, plainly)]
  assert jax.tree.structure(trees[0]) == jax.tree.structure(trees[1])
  np.testing.assert_array_equal(*map(jax.tree.leaves, trees))


def test_a_table_of_both_kinds_has_the_spread_of_each():
  table = hk.transform(lambda: embedding_table("t", (5,), 36, 293, jnp.float64))
  (values,) = jax.tree.leaves(jax.jit(table.init)(jax.random.key(0)))
  assert values.shape == (36, 293)
  bound = (6 / (5 + 293)) ** 0.5
  assert 0.99 * bound < np.abs(values[:5]).max() <= bound
  np.testing.assert_allclose(np.std(values[5:]), 31**-0.5, rtol=0.05)
