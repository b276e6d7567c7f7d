"""Reductions over sets, each blind to padding and fast for few large sets.

Every function takes `elements` [N, D] (or [N]) and `sets`, and returns [S, D]
(or [S]). Empty sets give 0 unless the function says otherwise.

On an accelerator a sum over few sets is a product with the [S, N] membership
matrix: free of scatter (very slow on some for just this shape), and cheap: its
2 S N D multiplications are few beside a linear layer's 2 N D D. On a CPU a
scatter is faster, and keeps an infinity of one set out of the others.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
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
  fill = jnp.asarray(fill, elements.dtype)
  return jnp.where(_column(sets.mask, elements), elements, fill)


def _column(values: Array, like: Array) -> Array:
  """Returns values [K] with a trailing axis for each further one of `like`."""
  return values.reshape(values.shape + (1,) * (like.ndim - 1))


def sum(elements: Array, sets: Sets) -> Array:
  """Returns y_s = sum_{i in s} x_i."""
  if elements.ndim == 2 and _is_product(sets):
    return jnp.matmul(
      membership(sets, elements.dtype),
      masked(elements, sets),
      precision=jax.lax.Precision.HIGHEST,
    )
  # The ids of padding lie past the end, and are dropped.
  return jax.ops.segment_sum(
    elements, sets.segment_ids, sets.num_segments, indices_are_sorted=True
  )


def mean(elements: Array, sets: Sets) -> Array:
  """Returns y_s = (1 / n_s) sum_{i in s} x_i."""
  total = sum(elements, sets)
  count = jnp.maximum(sets.sizes, 1).astype(total.dtype)
  return total / _column(count, total)


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
  return -max(-elements, sets)


def std(elements: Array, sets: Sets, epsilon: float = 1e-5) -> Array:
  """Returns y_s = sqrt(var_s + eps), and 0 for fewer than two elements.

  The variance is taken about the mean, which loses no digits to cancellation;
  the constant keeps the gradient finite where all elements are equal.
  """
  centre = broadcast(mean(elements, sets), sets)  # [N, D]
  variance = mean(jnp.square(masked(elements, sets) - centre), sets)  # [S, D]
  several = _column(sets.sizes > 1, variance)
  return jnp.where(several, jnp.sqrt(variance + epsilon), 0)


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
  elements = masked(elements, sets)
  if sets.num_segments > _MAX_PRODUCT_SETS:
    heads = [
      sum(weights[:, h, None] * elements, sets) for h in range(weights.shape[1])
    ]
    return jnp.stack(heads, axis=1)
  spread = membership(sets, elements.dtype)[:, None] * weights.T  # [S, H, N]
  return jnp.matmul(spread, elements, precision=jax.lax.Precision.HIGHEST)


def softmax(logits: Array, sets: Sets) -> Array:
  """Returns weights [N, ...] that sum to 1 in each set; padding gets 0."""
  highest = jax.lax.stop_gradient(max(logits, sets))  # [S, ...]
  shifted = masked(logits - broadcast(highest, sets), sets, -jnp.inf)
  weights = jnp.exp(shifted)  # [N, ...]
  total = sum(weights, sets)
  total = jnp.where(total > 0, total, 1)
  return weights / masked(broadcast(total, sets), sets, fill=1)
