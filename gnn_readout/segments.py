"""Reductions over sets, each blind to padding and fast for few large sets.

Every function takes `elements` [N, D] (or [N]) and `sets`, and returns [S, D]
(or [S]). Empty sets give 0 unless the function says otherwise.

On an accelerator a sum over few sets is a product with the [S, N] membership
matrix: free of scatter (very slow on some for just this shape), and cheap: its
2 S N D multiplications are few beside a linear layer's 2 N D D. On a CPU a
scatter is faster.

An element that is infinite or NaN shows in its own set and in no other. A
product would multiply it by the zeros of all other sets, so it is taken out
before, and the values of its set are NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import Sets

# Above this many sets a scatter beats the product with the membership matrix.
_MAX_PRODUCT_SETS = 128


def _is_product(sets: Sets) -> bool:
  """Returns whether to sum by the membership matrix."""
  few = sets.num_segments <= _MAX_PRODUCT_SETS
  return few and jax.default_backend() != "cpu"


def membership(sets: Sets, dtype=jnp.float32) -> Array:
  """Returns [S, N]: 1 where element n belongs to set s, else 0."""
  ids = jnp.arange(sets.num_segments, dtype=jnp.int32)  # [S]
  return (ids[:, None] == sets.segment_ids[None, :]).astype(dtype)


def masked(elements: Array, sets: Sets, fill: float = 0.0) -> Array:
  """Returns the elements with padding, whatever it holds, set to `fill`."""
  value = jnp.asarray(fill, elements.dtype)
  return jnp.where(_column(sets.mask, elements), elements, value)


def without_faults(elements: Array, sets: Sets) -> tuple[Array, Array]:
  """Takes out the elements that are not finite.

  Args:
    elements: [N, D].
    sets: Which set each element belongs to.

  Returns:
    The elements [N, D], 0 where they are padding or a number of their row is
    infinite or NaN, and [S] bool, the sets that have such a row.
  """
  # Half the mean of a row overflows only where an element is infinite; and a
  # product is faster than a reduction of the rows.
  width = elements.shape[1]
  halves = jnp.full(width, 0.5 / width, elements.dtype)
  finite = jnp.isfinite(jax.lax.stop_gradient(elements) @ halves)  # [N]
  kept = jnp.where((sets.mask & finite)[:, None], elements, 0)
  return kept, _any(sets.mask & ~finite, sets)


def _any(flags: Array, sets: Sets) -> Array:
  """Returns [S]: whether a flag [N] of the set is true."""
  if _is_product(sets):
    return jnp.any(membership(sets, bool) & flags, axis=1)
  count = jax.ops.segment_sum(
    flags.astype(jnp.int32),
    sets.segment_ids,
    sets.num_segments,
    indices_are_sorted=True,
  )
  return count > 0


def _column(values: Array, like: Array) -> Array:
  """Returns values [K] with a trailing axis for each further one of `like`."""
  return values.reshape(values.shape + (1,) * (like.ndim - 1))


def sum(elements: Array, sets: Sets) -> Array:
  """Returns y_s = sum_{i in s} x_i."""
  if elements.ndim == 2 and _is_product(sets):
    elements, faulty = without_faults(elements, sets)
    total = jnp.matmul(
      membership(sets, elements.dtype),
      elements,
      precision=jax.lax.Precision.HIGHEST,
    )  # [S, D]
    return jnp.where(faulty[:, None], jnp.nan, total)
  # The ids of padding lie past the end, and are dropped.
  return jax.ops.segment_sum(
    elements, sets.segment_ids, sets.num_segments, indices_are_sorted=True
  )


def mean(elements: Array, sets: Sets) -> Array:
  """Returns y_s = (1 / n_s) sum_{i in s} x_i."""
  total = sum(elements, sets)
  count = jnp.maximum(sets.sizes, 1).astype(total.dtype)
  return total / _column(count, total)


def prod(elements: Array, sets: Sets) -> Array:
  """Returns y_s = prod_{i in s} x_i, and 1 for the empty set.

  A scan that starts anew with every set: unlike quotients of the product by an
  element, its derivatives are right where elements are 0.

  Args:
    elements: [N, ...], real or complex.
    sets: Which set each element belongs to.
  """

  def combine(left, right):
    (left_starts, left_value), (right_starts, right_value) = left, right
    # What belongs to an earlier set is taken out before it is multiplied.
    kept = jnp.where(_column(right_starts, left_value), 1, left_value)
    return left_starts | right_starts, kept * right_value

  starts = places(sets) == 0  # [N], padding too
  factors = masked(elements, sets, fill=1)
  _, running = jax.lax.associative_scan(combine, (starts, factors))
  last = jnp.cumsum(sets.sizes, dtype=jnp.int32) - 1  # [S]
  values = running.at[last].get(mode="clip")
  return jnp.where(_column(sets.sizes > 0, values), values, 1)


def max(elements: Array, sets: Sets) -> Array:
  """Returns y_sd = max_{i in s} x_id."""
  highest = jax.ops.segment_max(
    masked(elements, sets, -jnp.inf),
    sets.segment_ids,
    sets.num_segments,
    indices_are_sorted=True,
  )
  return jnp.where(_column(sets.sizes > 0, highest), highest, 0)


def min(elements: Array, sets: Sets) -> Array:
  """Returns y_sd = min_{i in s} x_id."""
  lowest = jax.ops.segment_min(
    masked(elements, sets, jnp.inf),
    sets.segment_ids,
    sets.num_segments,
    indices_are_sorted=True,
  )
  return jnp.where(_column(sets.sizes > 0, lowest), lowest, 0)


def var(elements: Array, sets: Sets) -> Array:
  """Returns y_s = (1 / n_s) sum_{i in s} (x_i - mean_s)^2.

  Taken about the mean, it loses no digits to cancellation.
  """
  centre = broadcast(mean(elements, sets), sets)  # [N, D]
  return mean(jnp.square(masked(elements, sets) - centre), sets)  # [S, D]


def scale_of_squares(epsilon: float, dtype) -> float:
  """Returns a power of 2 by which to multiply what is squared, added to eps.

  sqrt(x^2 + eps) = sqrt((c x)^2 + c^2 eps) / c rounds alike on both sides, but
  the right one overflows later: with c = 2^-42 at 1e31 in single precision
  instead of at 1e19. c is closer to 1 for an eps so small that squares would
  be lost at the other end which are not lost beside it.

  Args:
    epsilon: eps, positive.
    dtype: Type of x.
  """
  info = jnp.finfo(dtype)
  least = (info.minexp + info.nmant + 3 - math.log2(epsilon)) / 2
  return 2.0 ** int(np.clip(math.ceil(least), -42, 0))


def std(elements: Array, sets: Sets, epsilon: float = 1e-5) -> Array:
  """Returns y_s = sqrt(var_s + eps), and 0 for fewer than two elements.

  The constant keeps the gradient finite where all elements are equal. A single
  element that is infinite or NaN still shows.
  """
  scale = scale_of_squares(epsilon, elements.dtype)
  centre = broadcast(mean(elements, sets), sets)  # [N, D]
  distance = scale * (masked(elements, sets) - centre)
  variance = mean(jnp.square(distance), sets)  # [S, D]
  few = _column(sets.sizes < 2, variance) & jnp.isfinite(variance)
  root = jnp.sqrt(variance + scale**2 * epsilon) / scale
  return jnp.where(few, 0, root)


def broadcast(values: Array, sets: Sets) -> Array:
  """Returns [N, D]: to every element the value of its set; padding gets 0."""
  return values.at[sets.segment_ids].get(
    mode="fill", fill_value=0, indices_are_sorted=True
  )


def weighted_sum(weights: Array, elements: Array, sets: Sets) -> Array:
  """Returns y_sh = sum_{i in s} a_ih x_i, [S, H, D].

  Args:
    weights: [N, H], one column of weights per head; 0 for padding.
    elements: [N, D].
    sets: Which set each element belongs to.
  """
  if sets.num_segments > _MAX_PRODUCT_SETS:
    elements = masked(elements, sets)
    heads = [
      sum(weights[:, h, None] * elements, sets) for h in range(weights.shape[1])
    ]
    return jnp.stack(heads, axis=1)
  elements, faulty = without_faults(elements, sets)
  # Not a product: a weight that is NaN stays in its set.
  own = membership(sets, bool)[:, None]  # [S, 1, N]
  spread = jnp.where(own, weights.T, 0)  # [S, H, N]
  total = jnp.matmul(spread, elements, precision=jax.lax.Precision.HIGHEST)
  return jnp.where(faulty[:, None, None], jnp.nan, total)


def _shifted(logits: Array, sets: Sets) -> tuple[Array, Array]:
  """Returns l_i - max_s l [N, ...], -inf for padding, and max_s l [S, ...].

  Whatever is subtracted cancels in what is made of them, and so does its
  gradient, which is not followed.
  """
  # Compilers contract a product and the difference into one rounding, with
  # which the largest logit is no longer the maximum: from 1e9 on the exponents
  # would overflow. They do not contract through this.
  lowest = jnp.finfo(logits.dtype).min
  logits = jnp.maximum(logits, lowest)
  highest = max(jax.lax.stop_gradient(logits), sets)  # [S, ...]
  highest = jnp.where(highest == lowest, -jnp.inf, highest)
  shifted = masked(logits - broadcast(highest, sets), sets, -jnp.inf)
  return shifted, highest


def _divisor(total: Array, sets: Sets) -> Array:
  """Returns the total [S, ...], and 1 for empty sets."""
  return jnp.where(_column(sets.sizes > 0, total), total, 1)


def softmax(logits: Array, sets: Sets) -> Array:
  """Returns weights [N, ...] that sum to 1 in each set; padding gets 0."""
  weights = jnp.exp(_shifted(logits, sets)[0])  # [N, ...]
  total = _divisor(sum(weights, sets), sets)
  return weights / masked(broadcast(total, sets), sets, fill=1)


def softmax_mean(logits: Array, elements: Array, sets: Sets) -> Array:
  """Returns y_s = sum_{i in s} exp(l_i) x_i / sum_{i in s} exp(l_i).

  Numerators and denominators are summed in one go and divided set by set: the
  weights themselves are never formed.

  Args:
    logits: [N, D], or [N, 1] for one weight per element.
    elements: [N, D].
    sets: Which set each element belongs to.
  """
  weights = jnp.exp(_shifted(logits, sets)[0])  # [N, D] or [N, 1]
  both = jnp.concatenate([weights, weights * masked(elements, sets)], axis=-1)
  total, weighted = jnp.split(sum(both, sets), [logits.shape[-1]], axis=-1)
  return weighted / _divisor(total, sets)


def logsumexp(elements: Array, sets: Sets) -> Array:
  """Returns y_s = log sum_{i in s} exp(x_i), and 0 for the empty set."""
  shifted, highest = _shifted(elements, sets)
  return highest + jnp.log(_divisor(sum(jnp.exp(shifted), sets), sets))


# Below this range of a set's logits, exp(x) - 1 is summed and not exp(x).
_NEAR = 1 / 16


def log_mean_exp(elements: Array, sets: Sets) -> Array:
  """Returns y_s = log((1 / n_s) sum_{i in s} exp(x_i)), 0 for the empty set.

  It keeps the digits of sets of small elements, whose exponentials are all
  close to 1: there the sum is taken of exp(x_i) - 1.
  """
  shifted, highest = _shifted(elements, sets)  # [N, ...], [S, ...]
  lowest = min(jax.lax.stop_gradient(elements), sets)  # [S, ...]
  near = highest - lowest < _NEAR
  terms = _exp_or_excess(shifted, broadcast(near, sets))
  values = mean(terms, sets)
  # Neither logarithm may meet 0 where the other is taken.
  small = jnp.log1p(jnp.where(near, values, 0))
  large = jnp.log(jnp.where(near, 1, values))
  return highest + jnp.where(near, small, large)


@jax.custom_jvp
def _exp_or_excess(x: Array, near: Array) -> Array:
  """Returns exp(x) - 1 where it is near, -1/16 < x <= 0, and else exp(x)."""
  # Taylor's series: jnp.expm1 is slow on a CPU.
  series = jnp.zeros_like(x)
  for k in range(10, 0, -1):
    series = (series + 1 / math.factorial(k)) * x
  return jnp.where(near, series, jnp.exp(x))


@_exp_or_excess.defjvp
def _exp_or_excess_jvp(primals, tangents):
  x, near = primals
  value = _exp_or_excess(x, near)
  return value, jnp.where(near, 1 + value, value) * tangents[0]


def _starts(sets: Sets) -> Array:
  """Returns [S], the row of the first element of each set."""
  return jnp.cumsum(sets.sizes, dtype=jnp.int32) - sets.sizes


def places(sets: Sets) -> Array:
  """Returns [N] int32: 0 .. n_s - 1 along each set; padding gets 0."""
  rows = jnp.arange(sets.mask.shape[0], dtype=jnp.int32)  # [N]
  return jnp.where(sets.mask, rows - broadcast(_starts(sets), sets), 0)


@functools.cache
def _merge_exchange(size: int) -> np.ndarray:
  """Returns the passes [P, 3] of Batcher's network for `size` places.

  A pass (p, r, d) puts in order all places i and i + d with (i & p) == r. The
  network that sorts `size` places sorts fewer: the missing ones are as good as
  infinite. Reference: Knuth, "Sorting and Searching", algorithm 5.2.2M.
  """
  top = 1 << (size - 1).bit_length() - 1 if size > 1 else 0
  passes, p = [], top
  while p:
    passes.append((p, 0, p))
    q = top
    while q > p:
      passes.append((p, p, q - p))
      q //= 2
    p //= 2
  return np.array(passes, np.int32).reshape(-1, 3)


def _sorted_rows(keys: Array, sets: Sets) -> Array:
  """Returns [N, ...]: the row of the element at each place, keys ascending.

  Batcher's merge exchange, in all sets and features at once: O(log^2 n) passes
  for the longest set, each of them contiguous and without a branch. On a CPU
  that is 3 times as fast as lax.sort with two keys, which calls a comparison
  for every pair; a GPU sorts with such a network anyway.
  """
  num_rows = keys.shape[0]
  rows = jnp.arange(num_rows, dtype=jnp.int32)  # [N]
  passes = jnp.asarray(_merge_exchange(num_rows))  # [P, 3]
  place, size = places(sets), broadcast(sets.sizes, sets)  # [N], [N]
  needed = passes[:, 1] + passes[:, 2] < jnp.max(sets.sizes, initial=0)
  order = jnp.flatnonzero(needed, size=passes.shape[0])  # [P]

  def exchange(step, state):
    p, r, d = passes[order[step]]
    first = ((place & p) == r) & (place + d < size)  # [N]
    second = (place >= d) & (((place - d) & p) == r)  # [N]
    partner = jnp.where(first, rows + d, jnp.where(second, rows - d, rows))
    other = state.at[partner].get(mode="promise_in_bounds")
    key, other_key = state.real, other.real
    # Both partners decide alike, ties included: those stay where they are.
    swap = jnp.where(_column(first, key), other_key < key, key < other_key)
    return jnp.where(swap, other, state)

  dtype = jnp.promote_types(keys.dtype, jnp.float32)
  most = 2 ** (jnp.finfo(dtype).nmant + 1)
  if num_rows > most:
    raise ValueError(
      f"elements of {dtype} must have at most {most:,} rows to be sorted, got"
      f" {num_rows:,}."
    )
  # One complex number carries a key and its row: half the passes over memory.
  origin = jnp.broadcast_to(_column(rows, keys), keys.shape).astype(dtype)
  state = jax.lax.complex(keys.astype(dtype), origin)
  if passes.size:
    state = jax.lax.fori_loop(0, jnp.sum(needed), exchange, state)
  return state.imag.astype(jnp.int32)


def _flat(rows: Array) -> Array:
  """Returns [N D]: where each entry [rows[n, d], d] is in row-major order."""
  table = rows.reshape(rows.shape[0], -1)  # [N, D]
  width = table.shape[1]
  return (table * width + jnp.arange(width, dtype=jnp.int32)).reshape(-1)


def permute(elements: Array, rows: Array) -> Array:
  """Returns y_nd = x_(rows_nd)d, for a permutation `rows` of each feature."""
  places = elements.reshape(-1).at[_flat(rows)]
  values = places.get(unique_indices=True, mode="promise_in_bounds")
  return values.reshape(elements.shape)


def unpermute(ordered: Array, rows: Array) -> Array:
  """Returns the x of which `ordered` is `permute(x, rows)`."""
  places = jnp.zeros(ordered.size, ordered.dtype).at[_flat(rows)]
  values = places.add(
    ordered.reshape(-1), unique_indices=True, mode="promise_in_bounds"
  )
  return values.reshape(ordered.shape)


def sort(
  elements: Array, sets: Sets, descending: bool = False
) -> tuple[Array, Array]:
  """Sorts each feature within each set.

  The gradient follows the permutation. It costs one scatter.

  Args:
    elements: [N, D].
    sets: Which set each element belongs to.
    descending: Whether the highest comes first.

  Returns:
    The sorted elements [N, D], padding 0, and the row that each came from
    [N, D] int32. Among equal elements the rows are in any order.

  Raises:
    ValueError: if there are more rows than a number of the elements' type can
      count, 2**24 in single precision.
  """
  elements = masked(elements, sets)
  keys = jax.lax.stop_gradient(elements)
  rows = _sorted_rows(-keys if descending else keys, sets)
  return permute(elements, rows), rows


def rank(elements: Array, sets: Sets, descending: bool = False) -> Array:
  """Returns [N, D] int32: the place each element has after `sort`.

  Equal elements get different places, in any order; padding gets 0.
  """
  _, rows = sort(jax.lax.stop_gradient(elements), sets, descending)
  place = _column(places(sets), elements)
  return unpermute(jnp.broadcast_to(place, elements.shape), rows)


def interpolate(ordered: Array, at: Array, sets: Sets) -> Array:
  """Returns the elements of each set at fractional places.

  Linear between neighbours; beyond either end the line through the last two
  goes on, and a single element is the same everywhere.

  Args:
    ordered: [N, D], as from `sort`.
    at: [S, Q], 0 for the first element of the set, n_s - 1 for the last.
    sets: Which set each element belongs to.

  Returns:
    [S, Q, D].
  """
  last = jnp.maximum(sets.sizes - 1, 0)[:, None]  # [S, 1]
  lower = jnp.floor(at).astype(jnp.int32)  # [S, Q]
  lower = jnp.clip(lower, 0, jnp.maximum(last - 1, 0))
  upper = jnp.minimum(lower + 1, last)
  first = _starts(sets)[:, None]  # [S, 1]
  fraction = (at - lower).astype(ordered.dtype)[..., None]  # [S, Q, 1]
  # An empty set may start past the end.
  below = ordered.at[first + lower].get(mode="clip")  # [S, Q, D]
  above = ordered.at[first + upper].get(mode="clip")
  values = (1 - fraction) * below + fraction * above
  return jnp.where(_column(sets.sizes > 0, values), values, 0)


# How a quantile between two places is settled: numpy's methods of these names.
INTERPOLATIONS = {
  "linear": lambda at: at,
  "lower": jnp.floor,
  "higher": jnp.ceil,
  "nearest": jnp.rint,
  "midpoint": lambda at: (jnp.floor(at) + jnp.ceil(at)) / 2,
}


def quantile(
  elements: Array,
  sets: Sets,
  levels: Sequence[float],
  interpolation: str = "linear",
) -> Array:
  """Returns the quantiles of each feature, the element at q (n_s - 1).

  Args:
    elements: [N, D].
    sets: Which set each element belongs to.
    levels: Q numbers q in [0, 1].
    interpolation: A key of `INTERPOLATIONS`, for a place between two elements.

  Returns:
    [S, Q, D].
  """
  ordered, _ = sort(elements, sets)
  dtype = jnp.promote_types(elements.dtype, jnp.float32)
  last = jnp.maximum(sets.sizes - 1, 0).astype(dtype)  # [S]
  at = last[:, None] * jnp.asarray(levels, dtype)  # [S, Q]
  return interpolate(ordered, INTERPOLATIONS[interpolation](at), sets)
