"""One test of the contract over the whole table of readouts."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS, make_readout

WIDTH = 12  # Four heads of 3.
SIZES = (7, 0, 1, 13, 2, 0)  # Empty in the middle and at the end, a single.
NUM_ELEMENTS = 31  # A padded tail of 8.


@pytest.fixture(autouse=True)
def _double_precision():
  with jax.enable_x64(True):
    yield


@pytest.fixture(params=sorted(READOUTS))
def readout(request):
  """A pair (init, apply) of the readout, with a width of its own choosing."""

  def forward(elements, sets, is_training=False):
    return make_readout(request.param, output_size=WIDTH)(
      elements, sets, is_training
    )

  return hk.transform(forward)


def example(dtype=np.float64, sizes=SIZES, num_elements=NUM_ELEMENTS, seed=0):
  rng = np.random.default_rng(seed)
  elements = rng.normal(size=(num_elements, WIDTH)).astype(dtype)
  return jnp.asarray(elements), make_sets(np.array(sizes), num_elements)


def parameters(readout):
  params = readout.init(jax.random.key(1), *example())
  # Away from special points such as zero biases.
  return jax.tree.map(
    lambda x: x + 0.1 * jax.random.normal(jax.random.key(2), x.shape, x.dtype),
    params,
  )


def apply(readout, params, elements, sets):
  return readout.apply(params, jax.random.key(0), elements, sets)


def loss(readout, params, elements, sets, weights):
  result = apply(readout, params, elements, sets)
  return jnp.sum(result.values * weights) + jnp.sum(result.aux_loss)


def test_shapes_and_finite(readout):
  params = parameters(readout)
  elements, sets = example()
  result = apply(readout, params, elements, sets)
  assert result.values.shape == (len(SIZES), WIDTH)
  assert result.aux_loss.shape == (len(SIZES),)
  assert all(jnp.ndim(v) == 0 for v in result.diagnostics.values())
  assert np.isfinite(result.values).all()
  assert np.isfinite(result.aux_loss).all()


def test_order_does_not_matter(readout):
  params = parameters(readout)
  elements, sets = example()
  rng = np.random.default_rng(3)
  starts = np.cumsum((0, *SIZES))
  order = np.concatenate(
    [rng.permutation(np.arange(a, b)) for a, b in zip(starts, starts[1:])]
    + [np.arange(starts[-1], NUM_ELEMENTS)]
  )
  expected = apply(readout, params, elements, sets)
  result = apply(readout, params, elements[order], sets)
  np.testing.assert_allclose(result.values, expected.values, atol=1e-10)


@pytest.mark.parametrize("garbage", [1e30, np.inf, np.nan])
def test_padding_does_not_matter(readout, garbage):
  params = parameters(readout)
  elements, sets = example()
  expected = apply(readout, params, elements, sets)
  num_real = sum(SIZES)
  padded = jnp.full((NUM_ELEMENTS + 11, WIDTH), garbage)
  padded = padded.at[:num_real].set(elements[:num_real])
  more = make_sets(np.array((*SIZES, 0, 0)), NUM_ELEMENTS + 11)
  result = apply(readout, params, padded, more)
  np.testing.assert_allclose(
    result.values[: len(SIZES)], expected.values, atol=1e-10
  )
  weights = np.ones((len(SIZES) + 2, WIDTH))
  gradient = jax.grad(loss, 2)(readout, params, padded, more, weights)
  assert np.isfinite(gradient).all()
  np.testing.assert_array_equal(gradient[num_real:], 0)


def test_company_does_not_matter(readout):
  params = parameters(readout)
  elements, sets = example()
  together = apply(readout, params, elements, sets)
  start = 0
  for i, size in enumerate(SIZES):
    one = make_sets(np.array([size]), size + 3)
    own = (
      jnp.zeros((size + 3, WIDTH)).at[:size].set(elements[start : start + size])
    )
    alone = apply(readout, params, own, one)
    np.testing.assert_allclose(alone.values[0], together.values[i], atol=1e-10)
    np.testing.assert_allclose(
      alone.aux_loss[0], together.aux_loss[i], atol=1e-10
    )
    start += size


def test_many_sets_as_few(readout):
  """Local aggregation has thousands of sets: another code path, same values."""
  params = parameters(readout)
  sizes = np.array(SIZES * 60)  # 360 sets.
  elements, sets = example(sizes=sizes, num_elements=sizes.sum() + 5)
  result = apply(readout, params, elements, sets)
  few = make_sets(sizes[:6], NUM_ELEMENTS)
  expected = apply(readout, params, elements[:NUM_ELEMENTS], few)
  np.testing.assert_allclose(result.values[:6], expected.values, atol=1e-10)


def test_single_precision(readout):
  params = parameters(readout)
  elements, sets = example()
  expected = apply(readout, params, elements, sets)
  params32 = jax.tree.map(lambda x: x.astype(jnp.float32), params)
  result = apply(readout, params32, elements.astype(jnp.float32), sets)
  assert result.values.dtype == jnp.float32
  np.testing.assert_allclose(
    result.values, expected.values, rtol=1e-4, atol=1e-4
  )


@pytest.mark.parametrize("scale", [1e4, 1e-4, 0.0])
def test_finite_gradients(readout, scale):
  """Huge, tiny and all-equal elements, duplicates, empty and single sets."""
  params = jax.tree.map(
    lambda x: x.astype(jnp.float32), readout.init(jax.random.key(1), *example())
  )
  elements, sets = example(np.float32)
  elements = (scale * elements).at[1].set(scale * elements[0])
  weights = np.ones((len(SIZES), WIDTH), np.float32)
  gradients = jax.grad(loss, (1, 2))(readout, params, elements, sets, weights)
  for leaf in jax.tree.leaves(gradients):
    assert np.isfinite(leaf).all()


def test_gradient_is_the_slope(readout):
  params = parameters(readout)
  elements, sets = example()
  rng = np.random.default_rng(5)
  weights = rng.normal(size=(len(SIZES), WIDTH))
  direction = jax.tree.map(
    lambda x: jnp.asarray(rng.normal(size=x.shape)), (params, elements)
  )

  def along(step):
    moved = jax.tree.map(
      lambda x, d: x + step * d, (params, elements), direction
    )
    return loss(readout, *moved, sets, weights)

  gradients = jax.grad(loss, (1, 2))(readout, params, elements, sets, weights)
  slope = sum(
    jnp.vdot(g, d)
    for g, d in zip(jax.tree.leaves(gradients), jax.tree.leaves(direction))
  )
  step = 1e-6
  measured = (along(step) - along(-step)) / (2 * step)
  np.testing.assert_allclose(slope, measured, rtol=1e-5, atol=1e-6)


def test_jit_and_recompilation(readout):
  params = parameters(readout)
  elements, sets = example()
  traces = []

  @jax.jit
  def jitted(elements, sets):
    traces.append(1)
    return apply(readout, params, elements, sets)

  expected = apply(readout, params, elements, sets)
  result = jitted(elements, sets)
  np.testing.assert_allclose(result.values, expected.values, atol=1e-10)
  other = example(sizes=(1, 1, 0, 9, 4, 2), seed=7)
  jitted(*other)
  assert len(traces) == 1


def test_vmap(readout):
  params = parameters(readout)
  batch = [example(seed=s, sizes=p) for s, p in ((0, SIZES), (1, SIZES[::-1]))]
  stacked = jax.tree.map(lambda *x: jnp.stack(x), *batch)
  result = jax.vmap(lambda e, s: apply(readout, params, e, s))(*stacked)
  for i, (elements, sets) in enumerate(batch):
    expected = apply(readout, params, elements, sets)
    np.testing.assert_allclose(result.values[i], expected.values, atol=1e-10)


def test_wrong_shapes_are_refused(readout):
  elements, sets = example()
  with pytest.raises(ValueError, match=r"\[N, D\]"):
    readout.init(jax.random.key(0), elements[0], sets)
  with pytest.raises(ValueError, match="30 rows"):
    readout.init(jax.random.key(0), elements[:30], sets)
  with pytest.raises(ValueError, match="real numbers"):
    readout.init(jax.random.key(0), elements.astype(int), sets)


def test_unknown_names():
  with pytest.raises(ValueError, match="Did you mean 'attention'"):
    make_readout("atention")
  with pytest.raises(ValueError, match="Did you mean 'num_heads'"):
    make_readout("attention", num_head=3)
  with pytest.raises(ValueError, match="sum to"):
    make_sets(np.array([3, 4]), 5)
  with pytest.raises(ValueError, match="negative"):
    make_sets(np.array([3, -1]), 5)
