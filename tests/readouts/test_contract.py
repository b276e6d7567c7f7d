"""One test of the contract over the whole table of readouts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import make_sets, node_sets
from gnn_readout.readouts import (
  ORDER_DEPENDENT,
  READOUTS,
  Aggregate,
  make_readout,
  readout_class,
)

pytestmark = pytest.mark.usefixtures("double_precision")

WIDTH = 12  # Four heads of 3.
SIZES = (7, 0, 1, 13, 2, 0)  # Empty in the middle and at the end, a single.
NUM_SETS = 7
NUM_ELEMENTS = 31  # A padded tail of 8.


class Program(NamedTuple):
  """A readout compiled once for all tests that share its shapes.

  Attributes:
    name: The readout's.
    params: Its parameters, in float64, away from special points.
    initial: As they are drawn.
    apply: (params, elements, sets) -> Aggregate.
    jitted: The same, compiled.
    gradient: (params, elements, sets, weights [S, D]) -> gradients of `loss`
      in params and elements, compiled.
    traces: One entry for every time `apply` was traced or called.
  """

  name: str
  params: hk.Params
  initial: hk.Params
  apply: Callable[..., Aggregate]
  jitted: Callable[..., Aggregate]
  gradient: Callable[..., tuple[hk.Params, jax.Array]]
  traces: list[None]


# On one worker each, which compiles it once.
@pytest.fixture(
  params=[
    pytest.param(name, marks=pytest.mark.xdist_group(name))
    for name in sorted(READOUTS | ORDER_DEPENDENT)
  ]
)
def readout(request):
  return program(request.param)


@functools.cache
def program(name: str) -> Program:
  def forward(elements, sets, is_training=False):
    return make_readout(name, output_size=WIDTH)(elements, sets, is_training)

  transformed = hk.transform(forward)
  traces = []

  def apply(params, elements, sets):
    traces.append(None)
    return transformed.apply(params, jax.random.key(0), elements, sets)

  initial = jax.jit(transformed.init)(jax.random.key(1), *example())
  keys = jax.random.split(jax.random.key(2), len(jax.tree.leaves(initial)))
  keys = jax.tree.unflatten(jax.tree.structure(initial), keys)
  params = jax.tree.map(
    lambda x, key: x + 0.1 * jax.random.normal(key, x.shape, x.dtype),
    initial,
    keys,
  )
  gradient = jax.jit(jax.grad(functools.partial(loss, apply), (0, 1)))
  return Program(name, params, initial, apply, jax.jit(apply), gradient, traces)


def example(
  dtype=np.float64, sizes=SIZES, num_elements=NUM_ELEMENTS, seed=0, filler=0.0
):
  """Returns elements and sets: NUM_SETS of them, the last ones empty."""
  rng = np.random.default_rng(seed)
  elements = rng.normal(size=(num_elements, WIDTH)).astype(dtype)
  elements[sum(sizes) :] = filler
  sizes = np.pad(sizes, (0, max(NUM_SETS - len(sizes), 0)))
  return jnp.asarray(elements), make_sets(sizes, num_elements)


def loss(apply, params, elements, sets, weights):
  result = apply(params, elements, sets)
  return jnp.sum(result.values * weights) + jnp.sum(result.aux_loss)


def single_precision(tree):
  return jax.tree.map(lambda x: x.astype(jnp.float32), tree)


def random_weights(seed=5):
  return np.random.default_rng(seed).normal(size=(NUM_SETS, WIDTH))


def test_shapes_and_finite(readout):
  result = readout.jitted(readout.params, *example())
  assert result.values.shape == (NUM_SETS, WIDTH)
  assert result.aux_loss.shape == (NUM_SETS,)
  assert all(jnp.ndim(v) == 0 for v in result.diagnostics.values())
  assert np.isfinite(result.values).all()
  assert np.isfinite(result.aux_loss).all()


def test_weights_are_those_of_the_elements(readout):
  """They go where their elements go; padding and other sets change nothing."""
  elements, sets = example()
  weights = readout.jitted(readout.params, elements, sets).weights
  assert (weights is not None) == readout_class(readout.name).weighs
  if weights is None:
    return
  count = sum(SIZES)
  assert weights.ndim == 2 and weights.dtype == elements.dtype
  assert len(weights) == NUM_ELEMENTS and np.isfinite(weights).all()
  np.testing.assert_array_equal(weights[count:], 0)
  starts = np.cumsum((0, *SIZES))
  order = np.arange(NUM_ELEMENTS)
  for a, b in zip(starts, starts[1:]):
    order[a:b] = order[a:b][::-1]
  turned = readout.jitted(readout.params, elements[order], sets).weights
  np.testing.assert_allclose(turned, weights[order], atol=1e-10)
  dirty, _ = example(filler=np.nan)
  again = readout.jitted(readout.params, dirty, sets).weights
  np.testing.assert_array_equal(again, weights)
  rest = np.r_[0 : starts[3], starts[4] : count]
  for other in (
    elements.at[starts[3] : starts[4]].multiply(2.0),
    elements.at[starts[3], 0].set(np.nan),
  ):
    changed = readout.jitted(readout.params, other, sets).weights
    np.testing.assert_allclose(changed[rest], weights[rest], atol=1e-10)


def test_order_does_not_matter(readout):
  """But to those of which it is said, in every set of more than one."""
  elements, sets = example()
  rng = np.random.default_rng(3)
  starts = np.cumsum((0, *SIZES))
  order = np.concatenate(
    [rng.permutation(np.arange(a, b)) for a, b in zip(starts, starts[1:])]
    + [np.arange(starts[-1], NUM_ELEMENTS)]
  )
  expected = readout.jitted(readout.params, elements, sets)
  result = readout.jitted(readout.params, elements[order], sets)
  if readout.name in ORDER_DEPENDENT:
    changed = np.abs(result.values - expected.values).max(axis=1) > 1e-6
    np.testing.assert_array_equal(changed[:4], np.array(SIZES[:4]) > 1)
    return
  np.testing.assert_allclose(result.values, expected.values, atol=1e-10)
  np.testing.assert_allclose(result.aux_loss, expected.aux_loss, atol=1e-10)


@pytest.mark.parametrize("garbage", [1e30, np.inf, np.nan])
def test_what_padding_holds_does_not_matter(readout, garbage):
  elements, sets = example()
  expected = readout.jitted(readout.params, elements, sets)
  dirty, _ = example(filler=garbage)
  result = readout.jitted(readout.params, dirty, sets)
  np.testing.assert_array_equal(result.values, expected.values)
  weights = random_weights()
  expected = readout.gradient(readout.params, elements, sets, weights)
  gradients = readout.gradient(readout.params, dirty, sets, weights)
  np.testing.assert_array_equal(gradients[1][sum(SIZES) :], 0)
  for value, leaf in zip(*map(jax.tree.leaves, (gradients, expected))):
    np.testing.assert_array_equal(value, leaf)


def test_how_much_padding_does_not_matter(readout):
  expected = readout.jitted(readout.params, *example())
  more = example(
    sizes=(*SIZES, 0, 0, 0), num_elements=NUM_ELEMENTS + 11, filler=np.nan
  )
  same = more[0].at[: sum(SIZES)].set(example()[0][: sum(SIZES)])
  result = readout.jitted(readout.params, same, more[1])
  np.testing.assert_allclose(
    result.values[:NUM_SETS], expected.values, atol=1e-10
  )


def test_a_batch_that_jraph_padded(readout):
  elements, sets = example()
  starts = np.cumsum((0, *SIZES))
  none = np.zeros(0, np.int32)
  graphs = [
    jraph.GraphsTuple(
      nodes=np.asarray(elements[start:end]),
      edges=None,
      senders=none,
      receivers=none,
      n_node=np.array([end - start]),
      n_edge=np.array([0]),
      globals=None,
    )
    for start, end in zip(starts, starts[1:])
  ]
  batch = jraph.batch_np(graphs)
  batch = jraph.pad_with_graphs(batch, NUM_ELEMENTS, 5, NUM_SETS)
  nodes = np.array(batch.nodes)
  nodes[sum(SIZES) :] = np.nan
  own = node_sets(batch, jraph.get_graph_padding_mask(batch))
  own = dataclasses.replace(own, edges=None)  # As the compiled program's.
  result = readout.jitted(readout.params, jnp.asarray(nodes), own)
  expected = readout.jitted(readout.params, elements, sets)
  for leaf, other in zip(*map(jax.tree.leaves, (result, expected))):
    np.testing.assert_array_equal(leaf, other)


def test_company_does_not_matter(readout):
  elements, sets = example()
  together = readout.jitted(readout.params, elements, sets)
  start = 0
  for i, size in enumerate(SIZES):
    _, one = example(sizes=(size,))
    own = jnp.zeros_like(elements)
    own = own.at[:size].set(elements[start : start + size])
    alone = readout.jitted(readout.params, own, one)
    np.testing.assert_allclose(alone.values[0], together.values[i], atol=1e-10)
    np.testing.assert_allclose(
      alone.aux_loss[0], together.aux_loss[i], atol=1e-10
    )
    start += size


def test_many_sets_as_few(readout):
  """Local aggregation has thousands of sets: another code path, same values."""
  sizes = SIZES * 60  # 360 sets.
  elements, sets = example(sizes=sizes, num_elements=sum(sizes) + 5)
  result = readout.jitted(readout.params, elements, sets)
  _, few = example()
  first = elements[:NUM_ELEMENTS].at[sum(SIZES) :].set(0)
  expected = readout.jitted(readout.params, first, few)
  count = len(SIZES)
  np.testing.assert_allclose(
    result.values[:count], expected.values[:count], atol=1e-10
  )


def test_single_precision(readout):
  elements, sets = example()
  expected = readout.jitted(readout.params, elements, sets)
  result = readout.jitted(
    single_precision(readout.params), single_precision(elements), sets
  )
  assert result.values.dtype == jnp.float32
  np.testing.assert_allclose(
    result.values, expected.values, rtol=1e-4, atol=1e-4
  )


@pytest.mark.parametrize("scale", [1e4, 1e-4, 0.0])
def test_finite_gradients(readout, scale):
  """Huge, tiny and all-equal elements, duplicates, empty and single sets."""
  skip_beyond_range(readout, scale, np.float32)
  elements, sets = example(np.float32)
  elements = (scale * elements).at[1].set(scale * elements[0])
  weights = np.ones((NUM_SETS, WIDTH), np.float32)
  params = single_precision(readout.initial)
  for leaf in jax.tree.leaves(readout.jitted(params, elements, sets)):
    assert np.isfinite(leaf).all()
  gradients = readout.gradient(params, elements, sets, weights)
  for leaf in jax.tree.leaves(gradients):
    assert np.isfinite(leaf).all()


# The largest scale of the elements at which the exact result is a number of
# the type. In single precision products of two elements, 1e60, are beyond it:
# var is one, dot-product attention among elements takes them, and the auxiliary
# losses of equilibrium and generalised are such squares and part of the
# gradient. The product of all 13 elements of a set is 1e130 at 1e10.
LARGEST_SCALES = {
  np.float32: {
    "adaptive": 1e10,
    "equilibrium": 1e10,
    "generalised": 1e10,
    "mul": 1.0,
    "multiset_transformer": 1e10,
    "patch_transformer": 1e10,
    "set_transformer": 1e10,
    "var": 1e10,
  },
  np.float64: {"mul": 1e10},
}


def skip_beyond_range(readout, scale, dtype):
  if scale > LARGEST_SCALES[dtype].get(readout.name, np.inf):
    pytest.skip(f"the exact result is beyond the range of {dtype.__name__}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e10, 1e30])
def test_huge_values(readout, dtype, scale):
  skip_beyond_range(readout, scale, dtype)
  params = readout.params
  if dtype == np.float32:
    params = single_precision(params)
  elements, sets = example(dtype)
  result = readout.jitted(params, scale * elements, sets)
  assert result.values.dtype == dtype
  assert np.isfinite(result.values).all()
  weights = random_weights().astype(dtype)
  gradients = readout.gradient(params, scale * elements, sets, weights)
  assert np.isfinite(gradients[1]).all()


# By set, the row of the element at fault: of 13 elements, and of a single one.
FAULTY_SETS = {3: 10, 2: 7}


def assert_faults_show_where_they_are(readout, faults, dtype):
  """Asserts it for the values, the auxiliary losses and the gradients."""
  elements, sets = example(dtype)
  params = readout.params
  if dtype == np.float32:
    params = single_precision(params)
  expected = readout.jitted(params, elements, sets)
  for s, fault in faults.items():
    elements = elements.at[FAULTY_SETS[s], 3].set(fault)
  result = readout.jitted(params, elements, sets)
  others = np.setdiff1d(np.arange(NUM_SETS), list(faults))
  for s in faults:
    assert not np.isfinite(result.values[s]).all(), s
  for value, before in zip(result[:2], expected[:2]):
    np.testing.assert_array_equal(value[others], before[others])
  weights = random_weights().astype(dtype)
  _, slopes = readout.gradient(params, elements, sets, weights)
  rows = np.isin(sets.segment_ids, others)
  assert np.isfinite(slopes[rows]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fault", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("s", FAULTY_SETS)
def test_a_fault_shows_in_its_own_set(readout, s, fault, dtype):
  assert_faults_show_where_they_are(readout, {s: fault}, dtype)


def test_two_faults_show_in_their_own_sets(readout):
  faults = {3: np.inf, 2: np.nan}
  assert_faults_show_where_they_are(readout, faults, np.float64)


def test_a_set_of_huge_values_leaves_the_others_alone(readout):
  """In single precision, where it may be too much for its own set."""
  params = single_precision(readout.params)
  elements, sets = example(np.float32)
  expected = readout.jitted(params, elements, sets)
  huge = elements.at[8:21].multiply(1e30)
  result = readout.jitted(params, huge, sets)
  others = np.array([0, 1, 2, 4, 5, 6])
  for value, before in zip(result[:2], expected[:2]):
    np.testing.assert_array_equal(value[others], before[others])


@pytest.mark.slow
def test_a_fault_where_sums_are_products(readout, monkeypatch):
  """As on an accelerator, by the product with the membership matrix."""
  monkeypatch.setattr(segments.reductions, "_is_product", lambda sets: True)
  compiled = program.__wrapped__(readout.name)
  for fault in (np.inf, -np.inf, np.nan):
    assert_faults_show_where_they_are(compiled, {3: fault}, np.float64)
  assert_faults_show_where_they_are(
    compiled, {3: np.inf, 2: np.nan}, np.float64
  )


def test_gradient_is_the_slope(readout):
  elements, sets = example()
  rng = np.random.default_rng(5)
  weights = random_weights()
  direction = jax.tree.map(
    lambda x: jnp.asarray(rng.normal(size=x.shape)), (readout.params, elements)
  )

  def along(step):
    moved = jax.tree.map(
      lambda x, d: x + step * d, (readout.params, elements), direction
    )
    return loss(readout.jitted, *moved, sets, weights)

  gradients = readout.gradient(readout.params, elements, sets, weights)
  slope = sum(
    jnp.vdot(g, d)
    for g, d in zip(jax.tree.leaves(gradients), jax.tree.leaves(direction))
  )
  step = 1e-6
  measured = (along(step) - along(-step)) / (2 * step)
  np.testing.assert_allclose(slope, measured, rtol=1e-5, atol=1e-6)


def test_second_derivative_is_the_slope_of_the_first(readout):
  """Reverse over reverse, as where a gradient is what decodes a set."""
  elements, sets = example()
  rng = np.random.default_rng(6)
  weights = random_weights()
  along, across = rng.normal(size=(2, *elements.shape))

  def slope(elements):
    gradients = jax.grad(functools.partial(loss, readout.apply), 1)(
      readout.params, elements, sets, weights
    )
    return jnp.vdot(gradients, across)

  second = jnp.vdot(jax.jit(jax.grad(slope))(elements), along)

  def first(step):
    moved = elements + step * along
    _, slopes = readout.gradient(readout.params, moved, sets, weights)
    return jnp.vdot(slopes, across)

  step = 1e-6
  measured = (first(step) - first(-step)) / (2 * step)
  np.testing.assert_allclose(second, measured, rtol=1e-5, atol=1e-5)


def test_second_derivative_in_single_precision(readout):
  """Close to that in double precision, and finite for small elements."""
  elements, sets = example()
  weights = random_weights()

  @jax.jit
  def bend(params, elements, weights):
    slope = jax.grad(functools.partial(loss, readout.apply), 1)
    return jax.grad(
      lambda x: jnp.sum(jnp.square(slope(params, x, sets, weights)))
    )(elements)

  exact = bend(readout.params, elements, weights)
  for scale in (1, 1e-3, 0):
    inputs = readout.params, scale * elements, weights
    got = bend(*single_precision(inputs))
    assert np.isfinite(got).all(), scale
    if scale == 1:
      np.testing.assert_allclose(got, exact, atol=1e-2 * np.abs(exact).max())


def test_compiled_as_not_compiled(readout):
  expected = readout.apply(readout.params, *example())
  result = readout.jitted(readout.params, *example())
  np.testing.assert_allclose(result.values, expected.values, atol=1e-10)
  np.testing.assert_allclose(result.aux_loss, expected.aux_loss, atol=1e-10)


def test_other_sizes_do_not_recompile(readout):
  readout.jitted(readout.params, *example())
  before = len(readout.traces)
  readout.jitted(readout.params, *example(sizes=(1, 1, 0, 9, 4, 2), seed=7))
  assert len(readout.traces) == before > 0


def test_vmap(readout):
  batch = [example(seed=s, sizes=p) for s, p in ((0, SIZES), (1, SIZES[::-1]))]
  stacked = jax.tree.map(lambda *x: jnp.stack(x), *batch)
  mapped = jax.jit(jax.vmap(readout.apply, (None, 0, 0)))
  result = mapped(readout.params, *stacked)
  for i, one in enumerate(batch):
    expected = readout.jitted(readout.params, *one)
    np.testing.assert_allclose(result.values[i], expected.values, atol=1e-10)


@pytest.mark.parametrize(
  "name", [name for name in READOUTS if readout_class(name).columnwise]
)
def test_columns_can_be_pooled_apart(name):
  """So a model need not put side by side what it pools."""
  program_ = program(name)
  assert not jax.tree.leaves(program_.params)
  elements, sets = example()
  apart = [
    hk.transform(lambda x: make_readout(name)(x, sets).values).apply(
      {}, None, x
    )
    for x in jnp.split(elements, [5], axis=1)
  ]
  together = program_.jitted(program_.params, elements, sets)
  np.testing.assert_allclose(
    jnp.concatenate(apart, axis=1), together.values, rtol=1e-12
  )
  assert together.weights is None and not together.diagnostics
  np.testing.assert_array_equal(together.aux_loss, 0)


def test_wrong_shapes_are_refused(readout):
  elements, sets = example()
  with pytest.raises(ValueError, match=r"\[N, D\]"):
    readout.apply(readout.params, elements[0], sets)
  with pytest.raises(ValueError, match="30 rows"):
    readout.apply(readout.params, elements[:30], sets)
  with pytest.raises(ValueError, match="real numbers"):
    readout.apply(readout.params, elements.astype(int), sets)


def test_unknown_names():
  with pytest.raises(ValueError, match="Did you mean 'attention'"):
    make_readout("atention")
  with pytest.raises(ValueError, match="Did you mean 'num_heads'"):
    make_readout("attention", num_head=3)
  with pytest.raises(ValueError, match="sum to"):
    make_sets(np.array([3, 4]), 5)
  with pytest.raises(ValueError, match="negative"):
    make_sets(np.array([3, -1]), 5)
