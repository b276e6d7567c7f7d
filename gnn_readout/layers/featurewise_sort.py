"""Featurewise sort pooling, its inverse, and the relaxed sort between them.

An auto-encoder pools a set with `fspool`, turns the vector into another, and
unpools that with `fsunpool`, which puts the elements back into the order of
the input by the permutation the encoder found. Its gradient does not see the
choice of the permutation; for sets of one size `relaxed_fspool` and
`relaxed_fsunpool` replace it by NeuralSort's smooth matrix.

Reference: Zhang et al. 2020, "FSPool: Learning Set Representations with
Featurewise Sort Pooling"; Grover et al. 2019, "Stochastic Optimization of
Sorting Networks via Continuous Relaxations".
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets


def piecewise_linear(ratios: Array, knots: Array) -> Array:
  """Returns f(r, w_d) = sum_i max(0, 1 - |r (k - 1) - (i - 1)|) w_id.

  Args:
    ratios: [N], r in [0, 1].
    knots: [k, D], the values of f at r = 0, 1 / (k - 1), ..., 1.

  Returns:
    [N, D].
  """
  last = knots.shape[0] - 1
  distance = jnp.abs(ratios[:, None] * last - jnp.arange(last + 1))  # [N, k]
  hats = jnp.maximum(0, 1 - distance)
  # A product with k columns is cheaper than gathers of two rows per ratio.
  return jnp.matmul(hats, knots, precision=jax.lax.Precision.HIGHEST)


def _weights(sets: Sets, knots: Array) -> Array:
  """Returns [N, D]: f((j - 1) / (n - 1), w) for the j-th place of each set."""
  pieces = jnp.maximum(segments.broadcast(sets.sizes, sets) - 1, 1)  # [N]
  ratios = segments.places(sets).astype(knots.dtype) / pieces
  return piecewise_linear(ratios, knots)


def weights(sets: Sets, knots: Array, rows: Array) -> Array:
  """Returns the factor of each element in its sum, by its rank.

  Args:
    sets: Which set each element belongs to.
    knots: [k, D].
    rows: [N, D], as `fspool` returns them.

  Returns:
    [N, D], padding 0.
  """
  return segments.masked(segments.unpermute(_weights(sets, knots), rows), sets)


def fspool(elements: Array, sets: Sets, knots: Array) -> tuple[Array, Array]:
  """Returns y_d = sum_j f((j - 1) / (n - 1), w_d) sort(x_d)_j.

  The sort is descending. A single element is weighted by f(0, w).

  Args:
    elements: [N, D].
    sets: Which set each element belongs to.
    knots: [k, D].

  Returns:
    The values [S, D], and the row of the element at each place [N, D].
  """
  ordered, rows = segments.sort(elements, sets, descending=True)
  return segments.sum(_weights(sets, knots) * ordered, sets), rows


def fsunpool(values: Array, sets: Sets, knots: Array, rows: Array) -> Array:
  """Returns x'_d = unsort(j -> f((j - 1) / (n - 1), w'_d) y_d).

  Args:
    values: [S, D].
    sets: Which set each element belongs to.
    knots: [k, D], the decoder's own.
    rows: [N, D], as `fspool` returns them: the highest weights of f go to the
      elements that were highest there.

  Returns:
    [N, D], padding 0.
  """
  spread = _weights(sets, knots) * segments.broadcast(values, sets)  # [N, D]
  return segments.unpermute(spread, rows)


def neural_sort(scores: Array, temperature: float) -> Array:
  """Returns the relaxed permutation that sorts scores, the highest first.

  P_ij = softmax_j(((n + 1 - 2 i) s_j - sum_k |s_j - s_k|) / tau), i = 1 .. n.
  As tau goes to 0 it becomes the permutation, if no two scores are equal.

  Args:
    scores: [..., n].
    temperature: tau.

  Returns:
    [..., n, n], rows that sum to 1.
  """
  size = scores.shape[-1]
  gaps = jnp.abs(scores[..., :, None] - scores[..., None, :])  # [..., n, n]
  spread = jnp.sum(gaps, axis=-1)[..., None, :]  # [..., 1, n]
  scaling = size - 1 - 2 * jnp.arange(size, dtype=scores.dtype)  # [n]
  logits = scaling[:, None] * scores[..., None, :] - spread  # [..., n, n]
  return jax.nn.softmax(logits / temperature, axis=-1)


def _dense_weights(size: int, knots: Array) -> Array:
  """Returns [n, D], the weights of the places of a set of `size` elements."""
  return piecewise_linear(jnp.linspace(0, 1, size, dtype=knots.dtype), knots)


def relaxed_fspool(
  elements: Array, knots: Array, temperature: float
) -> tuple[Array, Array]:
  """Pools sets of one size by a sort that is smooth.

  Args:
    elements: [S, n, D].
    knots: [k, D].
    temperature: tau of `neural_sort`.

  Returns:
    The values [S, D], and the relaxed permutations [S, D, n, n].
  """
  permutation = neural_sort(jnp.swapaxes(elements, 1, 2), temperature)
  weights = _dense_weights(elements.shape[1], knots)
  values = jnp.einsum("id,sdij,sjd->sd", weights, permutation, elements)
  return values, permutation


def relaxed_fsunpool(values: Array, knots: Array, permutation: Array) -> Array:
  """Returns [S, n, D]: unpools, and un-sorts by the transpose.

  Args:
    values: [S, D].
    knots: [k, D], the decoder's own.
    permutation: [S, D, n, n], as `relaxed_fspool` returns it.
  """
  weights = _dense_weights(permutation.shape[-1], knots)
  return jnp.einsum("sdij,id,sd->sjd", permutation, weights, values)
