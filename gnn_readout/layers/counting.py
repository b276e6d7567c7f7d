"""Counting objects of which there may be several overlapping proposals.

An object detector proposes boxes, more than one for many objects, each with a
score that says whether it matters. A complete directed graph of v nodes with a
loop at each has v^2 edges, so the number of nodes is the root of that of the
edges; duplicates are taken away as edges, by rules that can be differentiated.

Letters: n proposals of a set, a [n] scores in [0, 1], b [n, 4] boxes (x1, y1,
x2, y2), d pieces of a function.

Reference: Zhang, Hare and Prügel-Bennett 2018, "Learning to Count Objects in
Natural Images for Visual Question Answering"; Zhang 2020, "Learning to
Represent and Predict Sets with Deep Neural Networks" (thesis), chapter 3.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

NUM_FUNCTIONS = 8
NUM_PIECES = 16


def check_proposals(scores: Array, boxes: Array) -> None:
  """Refuses proposals that are none, as far as their values are known.

  Args:
    scores: a [..., n].
    boxes: b [..., n, 4].

  Raises:
    ValueError: If the shapes do not fit, a score is not in [0, 1], or a box
      ends before it starts; the message names the place.
  """
  shape = (*jnp.shape(scores), 4)
  if jnp.shape(boxes) != shape:
    raise ValueError(
      f"boxes must have shape {list(shape)}, four corners for each score, got"
      f" {list(jnp.shape(boxes))}."
    )
  if isinstance(scores, jax.core.Tracer) or isinstance(boxes, jax.core.Tracer):
    return
  scores, boxes = np.asarray(scores), np.asarray(boxes)
  for place in np.argwhere(~((scores >= 0) & (scores <= 1)))[:1]:
    raise ValueError(
      f"scores must lie in [0, 1], got {scores[tuple(place)]} at"
      f" {place.tolist()}."
    )
  for low, high in ((0, 2), (1, 3)):
    bad = ~(boxes[..., high] >= boxes[..., low])
    for place in np.argwhere(bad)[:1]:
      axis = "xy"[low]
      raise ValueError(
        f"boxes must be (x1, y1, x2, y2) with {axis}1 <= {axis}2, got"
        f" {boxes[tuple(place)].tolist()} at {place.tolist()}."
      )


def iou(boxes: Array, others: Array) -> Array:
  """Returns the area of the intersection by that of the union, [..., n, m].

  It is exact however small the boxes are. Where both have no area it is 1 if
  they are the same and else 0.

  Differs from the paper: its program adds 1e-12 to the union, which makes the
  overlap of a square of side 1e-6 with itself one half.

  Args:
    boxes: [..., n, 4], (x1, y1, x2, y2).
    others: [..., m, 4].
  """
  one, two = boxes[..., :, None, :], others[..., None, :, :]
  starts = jnp.maximum(one[..., :2], two[..., :2])  # [..., n, m, 2]
  ends = jnp.minimum(one[..., 2:], two[..., 2:])
  common = jnp.prod(jnp.maximum(ends - starts, 0), axis=-1)  # [..., n, m]
  areas = [jnp.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (one, two)]
  union = areas[0] + areas[1] - common
  same = jnp.all(one == two, axis=-1)
  return jnp.where(
    union > 0, common / jnp.where(union > 0, union, 1), same.astype(union.dtype)
  )


def monotone(x: Array, weights: Array) -> Array:
  """Returns f(x) = sum_j |w_j| clip(d x - (j - 1), 0, 1) / sum_j |w_j|.

  The piecewise linear interpolation of the cumulative sums of |w| (eq. 3.1):
  f(0) = 0, f(1) = 1, and f falls nowhere. Equal weights are the identity.

  Args:
    x: [...], in [0, 1].
    weights: w [d], not all 0.
  """
  weights = jnp.abs(weights)
  weights = weights / jnp.sum(weights)
  starts = jnp.cumsum(weights) - weights  # [d], f at 0, 1 / d, ...
  scaled = len(weights) * x
  piece = jnp.clip(jnp.floor(scaled), 0, len(weights) - 1).astype(jnp.int32)
  # To look the piece up takes a third of the time of a sum over all of them.
  return starts[piece] + weights[piece] * (scaled - piece)


class Count(NamedTuple):
  """What the module makes of the proposals of a set.

  Attributes:
    count: c [...], the number of objects.
    features: [..., n + 1], the two whole numbers next to c, times confidence.
  """

  count: Array
  features: Array


def count(
  scores: Array, boxes: Array, weights: Array, mask: Array | None = None
) -> Count:
  """Counts objects, by eight learned functions f_k of [0, 1] onto itself.

    A = a a^T,  D_ij = 1 - IoU(b_i, b_j)                        (3.2, 3.3)
    C' = f_1(A) f_2(D)           edges inside an object removed    (3.4)
    X = f_4(A) f_5(D),  s_i = 1 / sum_j f_3(1 - |a_i - a_j|)
      prod_k f_3(1 - |X_ik - X_jk|)      one by duplicates  (3.5, 3.6)
    C = C' * s s^T + diag(s * f_1(a * a)),  c = sqrt(sum C)   (3.7, 3.8)

  and the features max(0, 1 - |c - i|), i = 0..n, times f_8 of how far f_6 of
  the scores and f_7 of the distances are from one half (3.9-3.12). Products of
  matrices are elementwise.

  With scores of 0 and 1 and boxes that are equal or disjoint c is the number of
  different boxes of score 1. With other scores, if all boxes are disjoint and
  f_3 tells all of them apart, c = sum_i a_i.

  Args:
    scores: a [..., n].
    boxes: b [..., n, 4].
    weights: [8, d], those of each function.
    mask: [..., n] bool, false for padding; None: all are proposals.

  Raises:
    ValueError: As `check_proposals`.

  Differs from the paper: a mask; its program fills up with scores of 0, which
  enter the confidence. The gradient of c at c = 0 is 0.
  """
  check_proposals(scores, boxes)
  real = jnp.ones_like(scores) if mask is None else mask.astype(scores.dtype)
  scores = scores * real
  pairs = real[..., :, None] * real[..., None, :]  # [..., n, n]
  relevance = scores[..., :, None] * scores[..., None, :]
  distance = 1 - iou(boxes, boxes)

  def f(k: int, x: Array) -> Array:
    return monotone(x, weights[k - 1])

  edges = f(1, relevance) * f(2, distance)  # [..., n, n]
  rows = f(4, relevance) * f(5, distance)
  alike = _alike(scores, rows, functools.partial(f, 3)) * real[..., None, :]
  shares = real / jnp.where(real > 0, jnp.sum(alike, axis=-1), 1)  # s
  loops = shares * f(1, scores * scores)  # [..., n]
  total = jnp.sum(
    edges * shares[..., :, None] * shares[..., None, :], axis=(-2, -1)
  ) + jnp.sum(loops, axis=-1)  # [...]
  root = jnp.sqrt(jnp.where(total > 0, total, 1))
  number = jnp.where(total > 0, root, 0)

  doubt = _mean(jnp.abs(f(6, scores) - 0.5), real, (-1,))
  doubt += _mean(jnp.abs(f(7, distance) - 0.5), pairs, (-2, -1))
  confidence = f(8, doubt)[..., None]
  features = confidence * one_hot(number, scores.shape[-1])
  return Count(number, features)


def _alike(scores: Array, rows: Array, f3: Callable[[Array], Array]) -> Array:
  """Returns [..., n, n]: f_3(1 - |a_i - a_j|) prod_k f_3(1 - |X_ik - X_jk|).

  This is O(n^3), so each pair is computed once.

  Args:
    scores: a [..., n].
    rows: X [..., n, n].
    f3: f_3.
  """
  size = scores.shape[-1]
  i, j = np.triu_indices(size, 1)  # [P] each, P = n (n - 1) / 2.
  columns = jnp.moveaxis(rows, -1, 0)  # [n, ..., n]
  columns = jnp.concatenate([columns, scores[None]])  # [n + 1, ..., n]
  gaps = jnp.abs(columns[..., i] - columns[..., j])  # [n + 1, ..., P]
  pairs = jnp.prod(f3(1 - gaps), axis=0)  # [..., P]
  # Where each pair goes in the matrix, both ways; f_3(1) = 1 on the diagonal.
  at = np.full((size, size), len(i))
  at[i, j] = at[j, i] = np.arange(len(i))
  ones = jnp.ones_like(scores[..., :1])
  return jnp.concatenate([pairs, ones], axis=-1)[..., at]


def one_hot(number: Array, largest: int) -> Array:
  """Returns max(0, 1 - |c - i|) for i = 0..n, c cut off at n (eq. 3.9).

  Args:
    number: c [...], not negative.
    largest: n.

  Returns:
    [..., n + 1], numbers that sum to 1.
  """
  number = jnp.minimum(number, largest)[..., None]
  return jnp.maximum(0, 1 - jnp.abs(number - jnp.arange(largest + 1)))


def _mean(values: Array, weights: Array, axes: tuple[int, ...]) -> Array:
  """Returns the mean of values where the weights are 1, 0 where none is."""
  total = jnp.sum(weights, axis=axes)
  return jnp.sum(values * weights, axis=axes) / jnp.maximum(total, 1)


class Counting(hk.Module):
  """`count` of the n highest scores, its functions the identity at first.

  128 parameters, whatever n is.
  """

  def __init__(self, num_proposals: int = 10, name: str | None = None):
    """Creates the module.

    Args:
      num_proposals: n.
      name: Haiku's name of the module.

    Raises:
      ValueError: If n is not positive.
    """
    super().__init__(name=name)
    if num_proposals < 1:
      raise ValueError(f"num_proposals must be positive, got {num_proposals}.")
    self._num_proposals = num_proposals

  def __call__(
    self, scores: Array, boxes: Array, mask: Array | None = None
  ) -> Count:
    """Counts the objects of every set.

    Args:
      scores: a [..., m].
      boxes: b [..., m, 4].
      mask: [..., m] bool, false for padding, or None.

    Returns:
      Features are [..., n + 1], also where m < n.

    Raises:
      ValueError: As `check_proposals`.
    """
    check_proposals(scores, boxes)
    weights = hk.get_parameter(
      "weights", (NUM_FUNCTIONS, NUM_PIECES), scores.dtype, jnp.ones
    )
    n, size = self._num_proposals, scores.shape[-1]
    if mask is None:
      mask = jnp.ones(scores.shape, bool)
    if size > n:
      _, best = jax.lax.top_k(jnp.where(mask, scores, -1), n)  # [..., n]
      scores, mask = (
        jnp.take_along_axis(x, best, axis=-1) for x in (scores, mask)
      )
      boxes = jnp.take_along_axis(boxes, best[..., None], axis=-2)
    result = count(scores, boxes, weights, mask)
    missing = [(0, 0)] * (scores.ndim - 1) + [(0, max(n - size, 0))]
    return result._replace(features=jnp.pad(result.features, missing))
