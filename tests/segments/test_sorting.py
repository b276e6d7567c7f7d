"""Each order of a set against numpy's of that set alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import Sets, make_sets
from gnn_readout.segments import sorting
from tests.segments.ragged_sets import (
  FEW,
  MANY,
  D,
  example,
  values_and_slopes,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture(params=[FEW, MANY], ids=["few", "many"])
def sizes(request):
  return request.param


def ties(sizes, width=D):
  """Returns elements of which many are equal, with garbage padding."""
  elements, sets = example(sizes, width)
  return jnp.round(elements), sets


def own_rows(sizes):
  ends = np.cumsum(sizes)
  return [slice(end - size, end) for end, size in zip(ends, sizes)]


@pytest.mark.parametrize("longest", [0, 1, 2, 3, 7, 8, 11, 64, 91])
def test_merge_exchange_sorts(longest):
  """Zeros and ones, all of them if few: enough for any numbers to follow."""
  count = 1 << min(longest, 11)
  bits = np.arange(count) >> np.arange(longest)[:, None] & 1
  if longest > 11:
    bits = np.random.default_rng(longest).integers(2, size=(longest, count))
  for p, r, d in sorting._merge_exchange(longest):
    low = np.arange(max(longest - d, 0))
    low = low[(low & p) == r]
    a, b = bits[low], bits[low + d]
    bits[low], bits[low + d] = np.minimum(a, b), np.maximum(a, b)
  np.testing.assert_array_equal(bits, np.sort(bits, axis=0))


@pytest.mark.parametrize(
  ("make", "width", "descending"),
  [(example, D, False), (example, None, True), (ties, D, True)],
)
def test_sort(make, width, descending, sizes):
  elements, sets = make(sizes, width)
  num_real = sum(sizes)
  ordered, rows = jax.jit(segments.sort, static_argnums=2)(
    elements, sets, descending
  )
  assert ordered.shape == rows.shape == elements.shape
  real = np.asarray(elements)
  for own in own_rows(sizes):
    expected = np.sort(real[own], axis=0)
    expected = expected[::-1] if descending else expected
    np.testing.assert_array_equal(ordered[own], expected)
    np.testing.assert_array_equal(
      np.sort(rows[own], axis=0).T,
      np.broadcast_to(np.arange(own.start, own.stop), ordered[own].T.shape),
    )
  np.testing.assert_array_equal(
    ordered[:num_real],
    np.take_along_axis(real, np.asarray(rows), axis=0)[:num_real],
  )
  np.testing.assert_array_equal(ordered[num_real:], 0)


def test_gradient_of_sort_is_its_permutation(sizes):
  elements, sets = ties(sizes)
  num_real = sum(sizes)
  weights = np.random.default_rng(1).normal(size=elements.shape)
  _, rows = jax.jit(segments.sort)(elements, sets)
  _, gradient = values_and_slopes(
    lambda x: segments.sort(x, sets)[0], (elements,), weights
  )
  expected = np.zeros(elements.shape)
  np.put_along_axis(expected, np.asarray(rows), weights, axis=0)
  np.testing.assert_array_equal(gradient[:num_real], expected[:num_real])
  np.testing.assert_array_equal(gradient[num_real:], 0)


def test_rank_and_unpermute_undo_sort(sizes):
  elements, sets = example(sizes)
  num_real = sum(sizes)
  ranks = jax.jit(segments.rank, static_argnums=2)(elements, sets, True)
  for own in own_rows(sizes):
    expected = np.argsort(np.argsort(-np.asarray(elements[own]), 0), 0)
    np.testing.assert_array_equal(ranks[own], expected)
  np.testing.assert_array_equal(ranks[num_real:], 0)
  ordered, rows = jax.jit(segments.sort)(elements, sets)
  back = segments.unpermute(ordered, rows)
  np.testing.assert_array_equal(back[:num_real], elements[:num_real])
  weights = np.random.default_rng(1).normal(size=elements.shape)
  _, gradient = values_and_slopes(
    lambda x: segments.unpermute(x, rows), (ordered,), weights
  )
  expected = np.take_along_axis(weights, np.asarray(rows), axis=0)
  np.testing.assert_array_equal(gradient, expected)


def test_sort_of_one_element_and_of_half_precision():
  sets = make_sets(np.array([1]), 1)
  sort = jax.jit(segments.sort)
  ordered, rows = sort(jnp.ones((1, D)), sets)
  np.testing.assert_array_equal(ordered, 1)
  np.testing.assert_array_equal(rows, 0)
  x = jnp.array([[3.0], [1.0], [2.0]], jnp.bfloat16)
  ordered, _ = sort(x, make_sets(np.array([3]), 3))
  assert ordered.dtype == jnp.bfloat16
  np.testing.assert_array_equal(ordered[:, 0].astype(float), [1, 2, 3])


LEVELS = (0.0, 0.1, 0.25, 0.5, 2 / 3, 1.0)


@pytest.mark.parametrize("interpolation", segments.INTERPOLATIONS)
def test_quantile(interpolation):
  sizes = FEW
  elements, sets = example(sizes)
  weights = np.ones((len(sizes), len(LEVELS), D))
  values, gradient = values_and_slopes(
    lambda x: segments.quantile(x, sets, LEVELS, interpolation),
    (elements,),
    weights,
  )
  assert values.shape == weights.shape
  for s, own in enumerate(own_rows(sizes)):
    expected = np.zeros((len(LEVELS), D))
    if sizes[s]:
      expected = np.quantile(
        elements[own], LEVELS, axis=0, method=interpolation
      )
      # A quantile is an average: the weights of the elements sum to 1.
      np.testing.assert_allclose(gradient[own].sum(0), len(LEVELS))
    np.testing.assert_allclose(values[s], expected, rtol=1e-12, atol=1e-12)
  np.testing.assert_array_equal(gradient[sum(sizes) :], 0)


def test_interpolate_goes_on_beyond_the_ends():
  elements = jnp.array([[1.0], [3.0], [4.0], [7.0]])
  sets = make_sets(np.array([3, 1, 0]), 4)
  at = jnp.array([[-0.5, 0.5, 3.0]] * 3)
  values = jax.jit(segments.interpolate)(elements, at, sets)
  np.testing.assert_allclose(
    values[..., 0], [[0.0, 2.0, 5.0], [7.0, 7.0, 7.0], [0.0, 0.0, 0.0]]
  )


def test_more_rows_than_can_be_sorted():
  rows = 2**24 + 1
  shapes = (
    jax.ShapeDtypeStruct((rows, 1), jnp.float32),
    Sets(
      jax.ShapeDtypeStruct((rows,), jnp.int32),
      jax.ShapeDtypeStruct((rows,), bool),
      jax.ShapeDtypeStruct((2,), jnp.int32),
    ),
  )
  with pytest.raises(ValueError, match="at most 16,777,216 rows"):
    jax.eval_shape(segments.sort, *shapes)
