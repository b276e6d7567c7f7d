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

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from gnn_readout.graphs import Sets

# Above this many sets a scatter beats the product with the membership matrix.
_MAX_PRODUCT_SETS = 128


def _is_product(sets: Sets) -> bool:
  """Returns whether to sum by the membership matrix."""
  few = sets.num_segments <= _MAX_PRODUCT_SETS
  return few and jax.default_backend() != "cpu"


def membership(sets: Sets, dtype: DTypeLike = jnp.float32) -> Array:
  """Returns [S, N]: 1 where element n belongs to set s, else 0."""
  ids = jnp.arange(sets.num_segments, dtype=jnp.int32)  # [S]
  return (ids[:, None] == sets.segment_ids[None, :]).astype(dtype)


def masked(elements: Array, sets: Sets, fill: float = 0.0) -> Array:
  """Returns the elements with padding, whatever it holds, set to `fill`."""
  value = jnp.asarray(fill, elements.dtype)
  return jnp.where(column(sets.mask, elements), elements, value)


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


def column(values: Array, like: Array) -> Array:
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
  return total / column(count, total)


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
    kept = jnp.where(column(right_starts, left_value), 1, left_value)
    return left_starts | right_starts, kept * right_value

  starts = places(sets) == 0  # [N], padding too
  factors = masked(elements, sets, fill=1)
  _, running = jax.lax.associative_scan(combine, (starts, factors))
  last = jnp.cumsum(sets.sizes, dtype=jnp.int32) - 1  # [S]
  values = running.at[last].get(mode="clip")
  return jnp.where(column(sets.sizes > 0, values), values, 1)


def max(elements: Array, sets: Sets) -> Array:
  """Returns y_sd = max_{i in s} x_id; its gradient is shared by equal ones."""
  highest = _highest(elements, sets.segment_ids, sets.num_segments)
  return jnp.where(column(sets.sizes > 0, highest), highest, 0)


def min(elements: Array, sets: Sets) -> Array:
  """Returns y_sd = min_{i in s} x_id; its gradient is shared by equal ones."""
  highest = _highest(-elements, sets.segment_ids, sets.num_segments)
  return jnp.where(column(sets.sizes > 0, highest), -highest, 0)


def _as_integers(x: Array) -> Array:
  """Returns integers in the order of the floats x, the largest where x is NaN.

  The bits of positive floats are in their order, and those of negative floats
  in the reverse one.
  """
  bits = jnp.dtype(f"int{8 * x.dtype.itemsize}")
  integers = jax.lax.bitcast_convert_type(x, bits)
  return _reversed_below(jnp.where(jnp.isnan(x), jnp.iinfo(bits).max, integers))


def _reversed_below(integers: Array) -> Array:
  """Returns the integers, the negative ones in the reverse order."""
  largest = jnp.iinfo(integers.dtype).max
  return jnp.where(integers < 0, integers ^ largest, integers)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _highest(x: Array, ids: Array, num_segments: int) -> Array:
  """Returns the maxima [S, ...] of x [N, ...]; NaN for empty sets.

  Of integers, which a CPU compares twice as fast as floats, whose NaN needs a
  case of its own. The ids of padding lie past the end, and are dropped.
  """
  highest = jax.ops.segment_max(
    _as_integers(x), ids, num_segments, indices_are_sorted=True
  )
  return jax.lax.bitcast_convert_type(_reversed_below(highest), x.dtype)


@_highest.defjvp
def _highest_jvp(
  num_segments: int,
  primals: tuple[Array, Array],
  tangents: tuple[Array, Array],
) -> tuple[Array, Array]:
  x, ids = primals
  highest = _highest(x, ids, num_segments)
  own = highest.at[ids].get(mode="fill", indices_are_sorted=True)  # [N, ...]

  def total(values: Array) -> Array:
    return jax.ops.segment_sum(
      values, ids, num_segments, indices_are_sorted=True
    )

  number = jnp.maximum(total((x == own).astype(x.dtype)), 1)
  return highest, total(jnp.where(x == own, tangents[0], 0)) / number


def var(elements: Array, sets: Sets) -> Array:
  """Returns y_s = (1 / n_s) sum_{i in s} (x_i - mean_s)^2.

  Taken about the mean, it loses no digits to cancellation.
  """
  centre = broadcast(mean(elements, sets), sets)  # [N, D]
  return mean(jnp.square(masked(elements, sets) - centre), sets)  # [S, D]


def scale_of_squares(epsilon: float, dtype: DTypeLike) -> float:
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
  few = column(sets.sizes < 2, variance) & jnp.isfinite(variance)
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
  return jnp.where(column(sets.sizes > 0, total), total, 1)


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
def _exp_or_excess_jvp(
  primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
  x, near = primals
  value = _exp_or_excess(x, near)
  return value, jnp.where(near, 1 + value, value) * tangents[0]


def first_rows(sets: Sets) -> Array:
  """Returns [S], the row of the first element of each set."""
  return jnp.cumsum(sets.sizes, dtype=jnp.int32) - sets.sizes


def places(sets: Sets) -> Array:
  """Returns [N] int32: 0 .. n_s - 1 along each set; padding gets 0."""
  rows = jnp.arange(sets.mask.shape[0], dtype=jnp.int32)  # [N]
  return jnp.where(sets.mask, rows - broadcast(first_rows(sets), sets), 0)
