"""Each reduction against a loop over the sets, in values and gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import make_sets
from tests.segments.ragged_sets import (
  FEW,
  MANY,
  PADDING,
  D,
  example,
  values_and_slopes,
)

pytestmark = pytest.mark.usefixtures("double_precision")

H = 3


@pytest.fixture(autouse=True, params=["cpu", "accelerator"])
def _backend(request, monkeypatch):
  """Sums the way it is done on either, both on this machine."""
  backend = "cpu" if request.param == "cpu" else "gpu"
  monkeypatch.setattr(jax, "default_backend", lambda: backend)


@pytest.fixture(params=[FEW, MANY], ids=["few", "many"])
def sizes(request):
  return request.param


def dense(elements, sizes):
  """Returns the sets as rows of a table [S, K, ...], and its mask [S, K]."""
  sizes = np.array(sizes)
  places = np.arange(sizes.max())  # [K]
  rows = (np.cumsum(sizes) - sizes)[:, None] + places  # [S, K]
  mask = places < sizes[:, None]
  return elements[np.where(mask, rows, 0)], mask


def plain(name, elements, sizes):
  """Returns [S, ...] from the table of sets."""
  table, mask = dense(elements, sizes)
  mask = mask.reshape(mask.shape + (1,) * (elements.ndim - 1))
  filled = mask.any(1)
  if name == "max":
    highest = jnp.max(jnp.where(mask, table, -1e9), axis=1)
    return jnp.where(filled, highest, 0)
  if name == "min":
    return -plain("max", -elements, sizes)
  total = jnp.sum(jnp.where(mask, table, 0), axis=1)
  mean = total / np.maximum(mask.sum(1), 1)
  if name == "var":
    # The other formula, for which float64 has digits enough.
    return plain("mean", elements**2, sizes) - mean**2
  if name == "std":
    variance = plain("var", elements, sizes)
    return jnp.where(mask.sum(1) > 1, jnp.sqrt(variance + 1e-5), 0)
  return {"sum": total, "mean": mean}[name]


NAMES = ("sum", "mean", "max", "min", "var", "std")


def test_the_oracle():
  """It says what numpy says of each set on its own."""
  elements = np.asarray(example(FEW)[0])[: sum(FEW)]
  starts = np.cumsum((0, *FEW))
  tables = jax.jit(lambda x: {name: plain(name, x, FEW) for name in NAMES})
  for name, values in tables(elements).items():
    values = np.asarray(values)
    for s, (start, size) in enumerate(zip(starts, FEW)):
      own = elements[start : start + size]
      expected = getattr(np, name)(own, axis=0) if size else 0
      if name == "std":
        expected = np.sqrt(expected**2 + 1e-5) if size > 1 else 0
      np.testing.assert_allclose(values[s], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_reductions(name, sizes):
  elements, sets = example(sizes)
  num_real = sum(sizes)
  rng = np.random.default_rng(1)
  weights = rng.normal(size=(len(sizes), D))
  values, gradient = values_and_slopes(
    lambda x: getattr(segments, name)(x, sets), (elements,), weights
  )
  expected, plain_gradient = values_and_slopes(
    lambda x: plain(name, x, sizes), (elements[:num_real],), weights
  )
  assert values.shape == (len(sizes), D)
  np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
  np.testing.assert_allclose(
    gradient[:num_real], plain_gradient, rtol=1e-9, atol=1e-10
  )
  np.testing.assert_array_equal(gradient[num_real:], 0)


@pytest.mark.parametrize(
  "name",
  [
    "sum",
    "mean",
    "max",
    "min",
    "var",
    "std",
  ],
)
def test_one_number_per_element(name, sizes):
  elements, sets = example(sizes, width=None)
  values = getattr(segments, name)(elements, sets)
  expected = jax.jit(lambda x: plain(name, x, sizes))(elements)
  assert values.shape == (len(sizes),)
  np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["max", "min"])
def test_gradient_of_ties_is_shared(name):
  elements, sets = example((3, 5), width=1)
  elements = elements.at[:3].set(2.0)
  _, gradient = values_and_slopes(
    lambda x: getattr(segments, name)(x, sets), (elements,), np.ones((2, 1))
  )
  np.testing.assert_allclose(gradient[:3], 1 / 3)
  chosen = getattr(np, "arg" + name)(elements[3:8, 0])
  np.testing.assert_array_equal(gradient[3:8, 0], np.eye(5)[chosen])


def test_std_of_equal_elements_far_from_zero():
  """No digits are lost to cancellation, and the slope stays finite."""
  elements = jnp.full((7, D), 1e4, jnp.float32)
  elements = elements.at[:3].add(jnp.arange(3, dtype=jnp.float32)[:, None])
  sets = make_sets(np.array([3, 4]), 7)
  values = segments.std(elements, sets)
  np.testing.assert_allclose(values[0], np.sqrt(2 / 3 + 1e-5), rtol=1e-5)
  np.testing.assert_allclose(values[1], np.sqrt(1e-5), rtol=1e-5)
  _, gradient = values_and_slopes(
    lambda x: segments.std(x, sets), (elements,), np.ones_like(values)
  )
  assert np.isfinite(gradient).all()


def test_single_precision_sums_are_exact_to_rounding(sizes):
  elements, sets = example(sizes)
  expected = segments.sum(elements, sets)
  values = segments.sum(elements.astype(jnp.float32), sets)
  assert values.dtype == jnp.float32
  np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


def test_membership_and_masked():
  sets = make_sets(np.array([2, 0, 1]), 5)
  expected = [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]
  np.testing.assert_array_equal(segments.membership(sets), expected)
  x = jnp.arange(10.0).reshape(5, 2)
  np.testing.assert_array_equal(
    segments.masked(x, sets, -7.0),
    [[0, 1], [2, 3], [4, 5], [-7, -7], [-7, -7]],
  )


@pytest.mark.parametrize("width", [None, D])
def test_broadcast_and_its_gradient(width, sizes):
  rng = np.random.default_rng(2)
  shape = (len(sizes),) if width is None else (len(sizes), width)
  values = jnp.asarray(rng.normal(size=shape))
  _, sets = example(sizes)
  weights = rng.normal(size=(sum(sizes) + PADDING, *shape[1:]))
  spread, gradient = values_and_slopes(
    lambda v: segments.broadcast(v, sets), (values,), weights
  )
  expected = np.repeat(np.asarray(values), sizes, axis=0)
  np.testing.assert_array_equal(spread[: sum(sizes)], expected)
  np.testing.assert_array_equal(spread[sum(sizes) :], 0)
  expected = np.add.reduceat(
    np.concatenate([weights[: sum(sizes)], np.zeros_like(weights[:1])]),
    np.cumsum((0, *sizes))[:-1],
    axis=0,
  )
  expected[np.array(sizes) == 0] = 0
  np.testing.assert_allclose(gradient, expected, atol=1e-12)


@pytest.mark.parametrize(("width", "scale"), [(None, 1.0), (H, 1e4)])
def test_softmax(width, scale, sizes):
  logits, sets = example(sizes, width)
  num_real = sum(sizes)
  shape = (num_real, *logits.shape[1:])
  cotangent = np.random.default_rng(3).normal(size=shape)

  def plain_softmax(real):
    table, mask = dense(scale * real, sizes)
    mask = mask.reshape(mask.shape + (1,) * (real.ndim - 1))
    weights = jax.nn.softmax(jnp.where(mask, table, -1e9), axis=1)
    return weights[np.broadcast_to(mask, weights.shape)].reshape(real.shape)

  padded = np.zeros(logits.shape)
  padded[:num_real] = cotangent
  weights, gradient = values_and_slopes(
    lambda x: segments.softmax(scale * x, sets), (logits,), padded
  )
  expected, plain_gradient = values_and_slopes(
    plain_softmax, (logits[:num_real],), cotangent
  )
  np.testing.assert_allclose(weights[:num_real], expected, atol=1e-12)
  np.testing.assert_array_equal(weights[num_real:], 0)
  np.testing.assert_allclose(
    gradient[:num_real],
    plain_gradient,
    rtol=1e-9,
    atol=1e-12 * scale,
  )
  np.testing.assert_array_equal(gradient[num_real:], 0)
  total = segments.sum(weights, sets)
  filled = np.array(sizes) > 0
  np.testing.assert_allclose(total[filled], 1, rtol=1e-12)
  np.testing.assert_array_equal(total[~filled], 0)


@pytest.mark.parametrize("width", [D, 1])
def test_softmax_mean(sizes, width):
  """Values and slopes of the weights and the weighted sum, one by one."""
  elements, sets = example(sizes)
  logits = 30 * example(sizes, width)[0]
  weights = np.random.default_rng(5).normal(size=(len(sizes), D))

  def literal(logits, elements):
    product = segments.softmax(logits, sets) * segments.masked(elements, sets)
    return segments.sum(product, sets)

  ours, theirs = (
    values_and_slopes(function, (logits, elements), weights)
    for function in (
      lambda *arguments: segments.softmax_mean(*arguments, sets),
      literal,
    )
  )
  for a, b in zip(ours, theirs, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["log_mean_exp", "logsumexp"])
def test_log_of_exponentials(name, sizes):
  elements, sets = example(sizes)
  elements = 300 * elements  # Their exponentials overflow.
  num_real = sum(sizes)
  weights = np.random.default_rng(6).normal(size=(len(sizes), D))

  def literal(real):
    table, mask = dense(real, sizes)
    logs = jax.nn.logsumexp(table, axis=1, b=mask[:, :, None] * 1.0)
    count = np.array(sizes)[:, None]
    shift = np.log(np.maximum(count, 1)) if name == "log_mean_exp" else 0
    return jnp.where(count > 0, logs - shift, 0)

  values, gradient = values_and_slopes(
    lambda x: getattr(segments, name)(x, sets), (elements,), weights
  )
  expected, slopes = values_and_slopes(literal, (elements[:num_real],), weights)
  np.testing.assert_allclose(values, expected, rtol=1e-12)
  np.testing.assert_allclose(gradient[:num_real], slopes, atol=1e-10)
  np.testing.assert_array_equal(gradient[num_real:], 0)


def test_weighted_sum(sizes):
  """Values and slopes of a sum over an explicit [N, H, D] product."""
  elements, sets = example(sizes)
  elements = segments.masked(elements, sets)
  rng = np.random.default_rng(4)
  weights = rng.normal(size=(elements.shape[0], H))
  weights[sum(sizes) :] = 0
  cotangent = rng.normal(size=(len(sizes), H, D))

  def literal(weights, elements):
    product = weights[:, :, None] * elements[:, None]  # [N, H, D]
    return plain("sum", product, sizes)

  arguments = (jnp.asarray(weights), elements)
  ours = values_and_slopes(
    lambda w, x: segments.weighted_sum(w, x, sets), arguments, cotangent
  )
  theirs = values_and_slopes(literal, arguments, cotangent)
  for a, b in zip(ours, theirs, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
  "sizes",
  [
    FEW,
    MANY,
  ],
)
def test_weighted_sum_is_blind_to_padding(sizes):
  elements, sets = example(sizes)
  weights = segments.masked(jnp.ones((elements.shape[0], H)), sets)
  results = values_and_slopes(
    lambda w, x: segments.weighted_sum(w, x, sets),
    (weights, elements),
    np.ones((len(sizes), H, D)),
  )
  for result in results:
    assert np.isfinite(result).all()


@pytest.mark.parametrize("_backend", ["cpu"], indirect=True)
def test_places(sizes):
  _, sets = example(sizes)
  expected = [np.arange(size) for size in (*sizes, PADDING)]
  expected[-1][:] = 0
  np.testing.assert_array_equal(segments.places(sets), np.concatenate(expected))
