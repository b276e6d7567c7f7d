"""How far one set of points is from another of the same size.

All three are means over points and coordinates of squared differences. They
differ in which points are compared: those of the same row, each with the
nearest, or those that the best one-to-one assignment brings together.

Differs from the paper: its equations are sums. Its tables hold means, which a
polygon in a random position shows: as far off as the tables say, 1 in the
direct loss and 1 - sin(pi / n) / (pi / n) in the Hungarian one.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), eq. 5.1-5.2 and tables 5.1-5.3.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import Array

Cost = Callable[[Array], Array]

_LARGEST_COST = 1e30


def direct(predicted: Array, target: Array, cost: Cost = jnp.square) -> Array:
  """Returns [S]: mean_id (x_id - y_id)^2, of rows in the same order.

  Args:
    predicted: [S, n, d].
    target: [S, n, d].
    cost: Cost of a difference, elementwise, instead of the square.
  """
  return jnp.mean(cost(predicted - target), axis=(1, 2))


def _costs(predicted: Array, target: Array, cost: Cost) -> Array:
  """Returns [S, n, n]: c_ij = mean_d cost(x_id - y_jd)."""
  gaps = predicted[:, :, None] - target[:, None]  # [S, n, n, d]
  return jnp.mean(cost(gaps), axis=-1)


def chamfer(
  predicted: Array,
  target: Array,
  cost: Cost = jnp.square,
  mask: Array | None = None,
) -> Array:
  """Returns [S]: mean_i min_j c_ij + mean_j min_i c_ij (eq. 5.2).

  c_ij = mean_d (x_id - y_jd)^2. It is 0 for sets that differ in nothing but how
  often a point is there, and for empty ones.

  Args:
    predicted: [S, n, d], in any order.
    target: [S, n, d], in any order.
    cost: Cost of a difference, elementwise, instead of the square.
    mask: [S, n] bool, false where neither set has a point; None: all are.
  """
  costs = _costs(predicted, target, cost)
  if mask is None:
    nearest = costs.min(axis=1) + costs.min(axis=2)  # [S, n]
    return jnp.mean(nearest, axis=-1)
  far = jnp.where(mask[:, :, None] & mask[:, None], costs, _LARGEST_COST)
  nearest = jnp.where(mask, far.min(axis=1) + far.min(axis=2), 0)  # [S, n]
  return jnp.sum(nearest, axis=-1) / jnp.maximum(jnp.sum(mask, axis=-1), 1)


def hungarian(
  predicted: Array, target: Array, cost: Cost = jnp.square
) -> Array:
  """Returns [S]: min_pi mean_i c_i,pi(i) over all permutations (eq. 5.1).

  c_ij = mean_d (x_id - y_jd)^2. The gradient is that of the pairs of the best
  permutation. The time is O(n^3), one point after the other.

  Args:
    predicted: [S, n, d], in any order.
    target: [S, n, d], in any order.
    cost: Cost of a difference, elementwise, instead of the square.
  """
  costs = _costs(predicted, target, cost)
  # On NaN, or where its sums overflow, the search would not end. Any pairs do
  # there: the loss is not finite, or as good as that.
  is_known = jnp.all(costs < _LARGEST_COST, axis=(1, 2), keepdims=True)
  known = jax.lax.stop_gradient(jnp.where(is_known, costs, 0))
  i, j = jax.vmap(optax.assignment.hungarian_algorithm)(known)  # [S, n] each
  pairs = jax.vmap(lambda cost, i, j: cost[i, j])(costs, i, j)  # [S, n]
  return jnp.mean(pairs, axis=-1)


# What a model can be trained with, and what it is told at every evaluation.
SET_LOSSES = {"direct": direct, "chamfer": chamfer, "hungarian": hungarian}
