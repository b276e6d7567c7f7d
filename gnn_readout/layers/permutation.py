"""Orders that are learned from costs of pairs, by gradient descent.

A permutation is sought that puts i before j where that costs little. It is
relaxed to a doubly stochastic matrix P, P_ik the share of element i at place k,
and improved by steps on the logits of P.

Letters: S sets, N elements and K places (K = N unless places are a grid), M
features of an element, T steps, R the side of a grid.

Differs from the paper: Y = P^T X, as its indices and its program have it; the
text prints P X.

Reference: Zhang, Hare and Prügel-Bennett 2019, "Learning Representations of
Sets through Optimized Permutations"; Zhang 2020, "Learning to Represent and
Predict Sets with Deep Neural Networks" (thesis), chapter 4.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.layers.mlp import XAVIER
from gnn_readout.minimisation import minimise

STARTS = ("uniform", "linear")
_SMALLEST_NORM = 1e-10
_BLOCK = 32  # Places that are summed by one product.
_LONG = 32  # Elements from which pairs take one hidden unit at a time.
_EXACT = jax.lax.Precision.HIGHEST  # Else a GPU rounds factors to 10 bits.


def log_sinkhorn(logits: Array, num_rounds: int) -> Array:
  """Returns log P of rounds that scale rows to 1, and then columns (4.4-4.8).

  Columns are exact at the end, rows nearly.

  Args:
    logits: [..., N, N].
    num_rounds: L.
  """
  for _ in range(num_rounds):
    for axis in (-1, -2):
      logits = logits - jax.nn.logsumexp(logits, axis, keepdims=True)
  return logits


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def scaled_log_sinkhorn(logits: Array, num_rounds: int) -> Array:
  """Returns the same as `log_sinkhorn`, in a fraction of the time.

  With K = exp(logits - max of the row) a round is a = 1 / (K b) and
  b = 1 / (K^T a), and at the end log P = log K + log a + log b: two products
  with a vector instead of two times N^2 exponentials. Where K is too small to
  count it is cut off, if every column has a large K, as near a permutation; for
  other wide logits the result is that of `log_sinkhorn`. It has derivatives in
  reverse mode alone.

  Args:
    logits: [..., N, N].
    num_rounds: L, at least 1.
  """
  return _forward(logits, num_rounds)[0]


def _forward(logits: Array, num_rounds: int) -> tuple[Array, Any]:
  """Returns log P, and what its derivative needs.

  That is log K, a_1, ..., a_L, b_0, ..., b_L, and whether these count. Were the
  choice differentiated instead, each way would store what the other needs.
  """
  highest = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
  centred = logits - highest
  ones = jnp.ones((num_rounds, *logits.shape[:-1]), logits.dtype)
  is_narrow = _is_narrow(centred, num_rounds)
  log_p, rows, columns = jax.lax.cond(
    is_narrow,
    lambda x: _scaled(x, num_rounds),
    lambda x: (
      log_sinkhorn(x, num_rounds),
      ones,
      jnp.append(ones, ones[:1], 0),
    ),
    centred,
  )
  return log_p, (centred, rows, columns, is_narrow)


def _lowest(dtype: jnp.dtype) -> float:
  """Returns log K below which K is cut off."""
  return 0.9 * math.log(jnp.finfo(dtype).tiny)


def _kernel(centred: Array) -> Array:
  return jnp.exp(jnp.maximum(centred, _lowest(centred.dtype)))


def _is_narrow(centred: Array, num_rounds: int) -> Array:
  """Returns [] bool: whether log K can be scaled without logarithms.

  Either all K are so large that a product of K, a and b, which is at least the
  square of the smallest by N, is a number. Or the largest K of every column is
  at least e^-c, as that of every row is 1. Then a_t is between N^-t e^((1-t) c)
  and N^(t-1), and b_t between N^-t and N^t e^(t c), and what is cut off is less
  than a rounding of the sums if L c + (2 L + 1) log N is that much less than
  minus the logarithm at which K is cut off.
  """
  size, precision = centred.shape[-1], jnp.finfo(centred.dtype)
  lowest = _lowest(centred.dtype)
  all_large = jnp.all(centred > lowest / 2)
  room = (
    math.log(precision.eps) - lowest - (2 * num_rounds + 1) * math.log(size)
  )
  columns = jnp.max(centred, axis=-2)
  return all_large | jnp.all(columns > -room / num_rounds)


def _scaled(centred: Array, num_rounds: int) -> tuple[Array, Array, Array]:
  """Returns log P, a_t [L, ..., N] and b_t [L + 1, ..., N]."""
  kernel = _kernel(centred)
  rows, columns = [], [jnp.ones_like(centred[..., 0])]
  for _ in range(num_rounds):
    rows.append(1 / _times(kernel, columns[-1]))
    columns.append(1 / _times(kernel.mT, rows[-1]))
  log_p = centred + jnp.log(rows[-1])[..., None]
  log_p += jnp.log(columns[-1])[..., None, :]
  return log_p, jnp.stack(rows), jnp.stack(columns)


def _backward(num_rounds: int, saved: Any, slopes: Array) -> tuple[Array]:
  """Returns the derivative by the logits."""
  centred, rows, columns, is_narrow = saved

  def of_logarithms(slopes: Array) -> Array:
    _, pull = jax.vjp(lambda x: log_sinkhorn(x, num_rounds), centred)
    return pull(slopes)[0]

  def of_scaling(slopes: Array) -> Array:
    return _scaled_backward(_kernel(centred), rows, columns, slopes)

  return (jax.lax.cond(is_narrow, of_scaling, of_logarithms, slopes),)


def _scaled_backward(
  kernel: Array, rows: Array, columns: Array, slopes: Array
) -> Array:
  """Returns the derivative by log K.

  Each scaling is minus the logarithm of a sum of terms K_ij a_i b_j, and so its
  derivative by log K is the outer product of two vectors, times K. All of them
  together are one product of matrices of 2 L columns.
  """
  by_row, by_column = jnp.sum(slopes, axis=-1), jnp.sum(slopes, axis=-2)
  left, right = [], []
  for t in reversed(range(len(rows))):
    a, after, before = rows[t], columns[t + 1], columns[t]
    left += [a]
    right += [after * by_column]
    by_row = by_row - a * _times(kernel, right[-1])
    left += [a * by_row]
    right += [before]
    by_column = -before * _times(kernel.mT, left[-1])
    by_row = jnp.zeros_like(by_row)
  outer = jnp.matmul(
    jnp.stack(left, axis=-1), jnp.stack(right, axis=-2), precision=_EXACT
  )  # [..., N, N]
  return slopes - kernel * outer


scaled_log_sinkhorn.defvjp(_forward, _backward)


def _times(matrix: Array, vector: Array) -> Array:
  return jnp.matmul(matrix, vector[..., None], precision=_EXACT)[..., 0]


def normalised(costs: Array) -> Array:
  """Returns C = (F - F^T) / ||F - F^T||, antisymmetric (4.13, 4.15).

  Args:
    costs: F [..., N, N], of element i before j.
  """
  costs = costs - jnp.swapaxes(costs, -1, -2)
  square = jnp.sum(costs**2, axis=(-2, -1), keepdims=True)
  return costs / norm_of_square(square)


def norm_of_square(square: Array) -> Array:
  """Returns max(sqrt(x), 1e-10), with the gradient 0 where that is 1e-10."""
  is_large = square > _SMALLEST_NORM**2
  root = jnp.sqrt(jnp.where(is_large, square, 1))
  return jnp.where(is_large, root, _SMALLEST_NORM)


def total_cost(permutation: Array, costs: Array) -> Array:
  """Returns c(P) = sum_ij C_ij sum_k P_ik (sum_l>k P_jl - sum_l<k P_jl) (4.1).

  Args:
    permutation: P [..., N, K].
    costs: C [..., N, N].
  """
  after = _after(permutation)  # [..., N, K]
  return jnp.sum(permutation * (costs @ after), axis=(-2, -1))


def cost_gradient(permutation: Array, costs: Array) -> Array:
  """Returns dc / dP = 2 C B, B_jq = sum_k>q P_jk - sum_k<q P_jk (4.9).

  Args:
    permutation: P [..., N, K].
    costs: C [..., N, N], antisymmetric.
  """
  return 2 * (costs @ _after(permutation))


def _after(permutation: Array) -> Array:
  """Returns B [..., N, K]: the share behind each place less that before."""
  sums = running_sums(permutation)
  return sums[..., -1:] - 2 * sums + permutation


def running_sums(x: Array) -> Array:
  """Returns the sums of x [..., K] up to each place, itself included.

  They are products with triangles, block by block, which on a CPU take a
  fraction of the time of the passes over x that `jnp.cumsum` makes.
  """
  size = x.shape[-1]
  block = min(size, _BLOCK)
  count = -(-size // block)
  padding = [(0, 0)] * (x.ndim - 1) + [(0, count * block - size)]
  blocks = jnp.pad(x, padding).reshape(*x.shape[:-1], count, block)
  ones = jnp.triu(jnp.ones((block, block), x.dtype))
  within = jnp.matmul(blocks, ones, precision=_EXACT)
  before = jnp.triu(jnp.ones((count, count), x.dtype), 1)
  starts = jnp.matmul(within[..., -1], before, precision=_EXACT)  # [..., count]
  sums = within + starts[..., None]
  return sums.reshape(*x.shape[:-1], -1)[..., :size]


def grid_gradient(permutation: Array, costs: Array) -> Array:
  """Returns the gradient of the orders of all rows and columns of a grid.

  Args:
    permutation: P [S, N, R, R], shares of elements at rows and columns.
    costs: [S, 2, N, N]: those of the order within a row, and within a column.
  """
  rows = jnp.moveaxis(permutation, 2, 1)  # [S, R, N, R]
  columns = jnp.moveaxis(permutation, 3, 1)
  along = cost_gradient(rows, costs[:, None, 0])
  down = cost_gradient(columns, costs[:, None, 1])
  return jnp.moveaxis(along, 1, 2) + jnp.moveaxis(down, 1, 3)


def optimised(
  costs: Array,
  start: Array,
  *,
  learning_rate: Array | float,
  num_steps: int,
  num_rounds: int = 4,
  to_log_permutation: Callable[[Array], Array] | None = None,
) -> Array:
  """Returns log P after T steps on its logits.

  T times G = 2 C B(S(P')), P' <- P' - eta G, and P = S(P') at the end, where S
  are Sinkhorn's rounds: the gradient is that of P, without the Jacobian of S,
  which vanishes near permutations. The loop is differentiated as it is.

  Args:
    costs: C [S, N, N], antisymmetric; of a grid [S, 2, N, N].
    start: P' [S, N, N], such as zeros.
    learning_rate: eta.
    num_steps: T.
    num_rounds: L of S.
    to_log_permutation: S, [S, N, N] to [S, N, N], instead of the usual one.

  Raises:
    ValueError: If a grid is wanted of a number of elements that is no square.
  """
  shape = start.shape
  num_sets, size = shape[:2]
  side = round(size**0.5)
  is_grid = costs.ndim == 4
  if is_grid and side * side != size:
    raise ValueError(f"a grid needs a square number of elements, got {size}.")

  def project(logits: Array) -> Array:
    if to_log_permutation is not None:
      return to_log_permutation(logits)
    return scaled_log_sinkhorn(logits, num_rounds)

  def gradient(y: Array) -> Array:
    p = jnp.exp(project(y.reshape(shape)))
    if is_grid:
      p = p.reshape(num_sets, size, side, side)
      return grid_gradient(p, costs).reshape(y.shape)
    return cost_gradient(p, costs).reshape(y.shape)

  solution = minimise(
    lambda y: jnp.zeros(num_sets, y.dtype),  # Not used: the gradient is given.
    start.reshape(num_sets, -1),
    learning_rate=learning_rate,
    momentum=0.0,
    num_steps=num_steps,
    gradient_fn=gradient,
    gradient_tolerance=0.0,
  )
  return project(solution.y.reshape(shape))


def learned_order(
  elements: Array,
  *,
  width: int,
  start: str = "uniform",
  start_init: hk.initializers.Initializer | None = None,
  num_steps: int,
  num_rounds: int,
  is_grid: bool = False,
) -> Array:
  """Returns log P [S, N, N] of elements [S, N, M], in a Haiku transform.

  The costs are those of `pair_costs`, and the step size is learned: the
  parameter `rate`, of which the size counts.

  Args:
    elements: [S, N, M].
    width: H of the network of pairs.
    start: A key of `STARTS`: 'uniform' for P' = 0 (PO-U), or 'linear' for a
      linear map of each element (PO-LA), with a weight for each place.
    start_init: Initialisation of that map.
    num_steps: T.
    num_rounds: L of Sinkhorn's scaling.
    is_grid: Whether places are a grid, with costs of their own within its rows
      and within its columns.
  """
  num_sets, size = elements.shape[:2]
  rate = hk.get_parameter("rate", (), elements.dtype, jnp.ones)
  if start == "linear":
    linear = hk.Linear(size, False, w_init=start_init, name="start")
    logits = linear(elements)  # [S, N, N]
  else:
    logits = jnp.zeros((num_sets, size, size), elements.dtype)
  costs = pair_costs(elements, width, 2 if is_grid else 1)  # [S, 1 or 2, N, N]
  return optimised(
    normalised(costs if is_grid else costs[:, 0]),
    logits,
    learning_rate=jnp.abs(rate),
    num_steps=num_steps,
    num_rounds=num_rounds,
  )


def pair_costs(
  elements: Array, width: int, num_outputs: int = 1, name: str = "costs"
) -> Array:
  """Returns f(x_i, x_j) = W relu(A x_i + B x_j + b), in a Haiku transform.

  Differs from the paper: without the last bias, which is the same both ways.

  Args:
    elements: [..., N, M].
    width: H of the hidden layer.
    num_outputs: O.
    name: Name of the modules.

  Returns:
    [..., O, N, N].
  """
  size = elements.shape[-1]
  stddev = (6 / (2 * size + width)) ** 0.5  # Xavier's, of the joined layer.
  init = hk.initializers.RandomUniform(-stddev, stddev)
  one = hk.Linear(width, w_init=init, name=f"{name}_first")(elements)
  two = hk.Linear(width, False, w_init=init, name=f"{name}_second")(elements)
  last = hk.Linear(num_outputs, False, w_init=XAVIER, name=f"{name}_last")
  if elements.shape[-2] < _LONG:
    hidden = jax.nn.relu(one[..., :, None, :] + two[..., None, :, :])
    return jnp.moveaxis(last(hidden), -1, -3)
  return _by_unit(one.mT, two.mT, last(jnp.eye(width, dtype=one.dtype)))


@jax.custom_vjp
def _by_unit(one: Array, two: Array, weights: Array) -> Array:
  """Returns sum_h W_ho relu(a_hi + b_hj), one hidden unit after another.

  No hidden layer of all pairs is stored: there is one unit of it at a time, and
  its derivative makes it anew. The rows of pairs are the last axis.

  Args:
    one: a [..., H, N].
    two: b [..., H, N].
    weights: W [H, O].

  Returns:
    [..., O, N, N].
  """

  def add(total: Array, unit: tuple[Array, Array, Array]) -> tuple[Array, None]:
    a, b, w = unit
    hidden = jax.nn.relu(a[..., :, None] + b[..., None, :])  # [..., N, N]
    return total + w[:, None, None] * hidden[..., None, :, :], None

  shape = *one.shape[:-2], weights.shape[1], *[one.shape[-1]] * 2
  units = *(jnp.moveaxis(x, -2, 0) for x in (one, two)), weights
  return jax.lax.scan(add, jnp.zeros(shape, one.dtype), units)[0]


def _by_unit_forward(
  one: Array, two: Array, weights: Array
) -> tuple[Array, Any]:
  return _by_unit(one, two, weights), (one, two, weights)


def _by_unit_backward(saved: Any, slopes: Array) -> tuple[Array, Array, Array]:
  """Returns the derivatives, of the sums of slopes where a unit is positive."""
  one, two, weights = saved
  is_positive = one[..., :, None] + two[..., None, :] > 0  # [..., H, N, N]
  kept = jnp.where(is_positive[..., None, :, :], slopes[..., None, :, :, :], 0)
  by_one, by_two = kept.sum(-1), kept.sum(-2)  # [..., H, O, N]
  of_one, of_two = (
    jnp.sum(weights[..., None] * x, axis=-2) for x in (by_one, by_two)
  )
  of_weights = jnp.sum(one[..., None, :] * by_one, axis=-1)  # [..., H, O]
  of_weights += jnp.sum(two[..., None, :] * by_two, axis=-1)
  of_weights = of_weights.reshape(-1, *weights.shape).sum(axis=0)
  return of_one, of_two, of_weights


_by_unit.defvjp(_by_unit_forward, _by_unit_backward)
