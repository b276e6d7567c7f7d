"""Each reduction against a loop over the sets, in values and gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import Sets, make_sets

pytestmark = pytest.mark.usefixtures("double_precision")

D, H = 5, 3
FEW = (7, 0, 1, 13, 2, 0)
MANY = FEW + (0, 1, 2) * 43  # 135 sets: no product with the membership matrix.
PADDING = 11


@pytest.fixture(autouse=True, params=["cpu", "accelerator"])
def _backend(request, monkeypatch):
  """Sums the way it is done on either, both on this machine."""
  backend = "cpu" if request.param == "cpu" else "gpu"
  monkeypatch.setattr(segments.jax, "default_backend", lambda: backend)


@pytest.fixture(params=[FEW, MANY], ids=["few", "many"])
def sizes(request):
  return request.param


def example(sizes, width=D):
  """Returns elements whose padding holds garbage, and their sets."""
  rng = np.random.default_rng(len(sizes))
  num_elements = sum(sizes) + PADDING
  shape = (num_elements,) if width is None else (num_elements, width)
  elements = rng.normal(size=shape)
  garbage = np.resize([np.nan, np.inf, 1e300, -np.inf], PADDING)
  elements[sum(sizes) :].T[:] = garbage
  return jnp.asarray(elements), make_sets(np.array(sizes), num_elements)


def values_and_slopes(function, arguments, cotangent):
  """Returns the value and what each argument gets of the cotangent."""

  def both(arguments, cotangent):
    values, pull = jax.vjp(function, *arguments)
    return values, *pull(cotangent)

  return map(np.asarray, jax.jit(both)(arguments, jnp.asarray(cotangent)))


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


def ties(sizes, width=D):
  """Returns elements of which many are equal, with garbage padding."""
  elements, sets = example(sizes, width)
  return jnp.round(elements), sets


# The order of elements is found in the same way everywhere.
on_one_backend = pytest.mark.parametrize("_backend", ["cpu"], indirect=True)


def own_rows(sizes):
  ends = np.cumsum(sizes)
  return [slice(end - size, end) for end, size in zip(ends, sizes)]


@on_one_backend
def test_places(sizes):
  _, sets = example(sizes)
  expected = [np.arange(size) for size in (*sizes, PADDING)]
  expected[-1][:] = 0
  np.testing.assert_array_equal(segments.places(sets), np.concatenate(expected))


@on_one_backend
@pytest.mark.parametrize("longest", [0, 1, 2, 3, 7, 8, 11, 64, 91])
def test_merge_exchange_sorts(longest):
  """Zeros and ones, all of them if few: enough for any numbers to follow."""
  count = 1 << min(longest, 11)
  bits = np.arange(count) >> np.arange(longest)[:, None] & 1
  if longest > 11:
    bits = np.random.default_rng(longest).integers(2, size=(longest, count))
  for p, r, d in segments._merge_exchange(longest):
    low = np.arange(max(longest - d, 0))
    low = low[(low & p) == r]
    a, b = bits[low], bits[low + d]
    bits[low], bits[low + d] = np.minimum(a, b), np.maximum(a, b)
  np.testing.assert_array_equal(bits, np.sort(bits, axis=0))


@on_one_backend
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


@on_one_backend
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


@on_one_backend
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


@on_one_backend
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


@on_one_backend
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


@on_one_backend
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
