"""Potentials whose equilibrium is known in closed form.

Equilibrium Aggregation contains the classical readouts: for the right
potential F(x, y) and regulariser R(y),
  argmin_y R(y) + sum_i F(x_i, y)
is the mean, the median, the maximum, the sum (Table 1), all power sums (eq. 8),
attention (appendix B), or the mode of a posterior (appendix A). Each is a
`Potential` here, with that minimiser beside it. They explain the method and
test the solver; no readout uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets


def _no_regulariser(y: Array) -> Array:
  return jnp.zeros((), y.dtype)


class Potential(NamedTuple):
  """A potential and the minimiser of its energy.

  Attributes:
    potential: F, (x [D], y [M]) -> [].
    minimiser: X [N, D] -> y [M], for N > 0.
    regulariser: R, y [M] -> [].
  """

  potential: Callable[[Array, Array], Array]
  minimiser: Callable[[Array], Array]
  regulariser: Callable[[Array], Array] = _no_regulariser


def energy(
  potential: Potential, elements: Array, sets: Sets
) -> Callable[[Array], Array]:
  """Returns E: y [S, M] -> [S], E_s = R(y_s) + sum_{i in s} F(x_i, y_s).

  Args:
    potential: F and R.
    elements: [N, D].
    sets: Which set each element belongs to.
  """
  elements = segments.masked(elements, sets)

  def evaluate(y: Array) -> Array:
    own = segments.broadcast(y, sets)  # [N, M]
    terms = jax.vmap(potential.potential)(elements, own)  # [N]
    return segments.sum(terms, sets) + jax.vmap(potential.regulariser)(y)

  return evaluate


# F = |x - y|^2.
MEAN = Potential(
  lambda x, y: jnp.sum((x - y) ** 2), lambda xs: jnp.mean(xs, axis=0)
)

# F = |x - y|, feature by feature. For an even number of elements every point
# between the middle two is a minimum; the closed form is their mean.
MEDIAN = Potential(
  lambda x, y: jnp.sum(jnp.abs(x - y)), lambda xs: jnp.median(xs, axis=0)
)

# F = max(0, x - y). Differs from the paper: Table 1 does not say that every
# y >= max_i x_i is a minimum. The maximum is the least of them, the one that
# descent from below reaches.
MAX = Potential(
  lambda x, y: jnp.sum(jnp.maximum(x - y, 0)), lambda xs: jnp.max(xs, axis=0)
)

# F = -x y with R = y^2 / 2.
SUM = Potential(
  lambda x, y: -jnp.sum(x * y),
  lambda xs: jnp.sum(xs, axis=0),
  lambda y: jnp.sum(y**2) / 2,
)


def power_sums(num_elements: int, num_powers: int) -> Potential:
  """Returns F = sum_k (y_k / N - x^k)^2, with y_k = sum_i x_i^k (eq. 8, 10).

  With as many powers as elements y determines the set: Theorem 1.

  Args:
    num_elements: N, which the potential must know.
    num_powers: M, the length of y.

  Returns:
    A potential on scalars, x [1] and y [M].
  """
  powers = jnp.arange(1, num_powers + 1)  # [M]
  return Potential(
    lambda x, y: jnp.sum((y / num_elements - x**powers) ** 2),
    lambda xs: jnp.sum(xs**powers, axis=0),
  )


def attention(query: Array) -> Potential:
  """Returns F = e(x) |x - y_r|^2 + (y_s - e(x))^2, e(x) = exp(h.x).

  Its minimum, y = [y_r, y_s], is attention itself beside the mean weight:
    y_r = sum_i e(x_i) x_i / sum_i e(x_i),  y_s = (1 / N) sum_i e(x_i).

  Differs from the paper: appendix B gives y_r = (1 / N) sum_i e(x_i) x_i and
  divides it by y_s. That y_r belongs to F = |e(x) x - y_r|^2 + (y_s - e(x))^2;
  with the printed potential y_r is normalised already.

  Args:
    query: h [D].

  Returns:
    A potential on x [D] and y [D + 1].
  """

  def potential(x: Array, y: Array) -> Array:
    weight = jnp.exp(query @ x)
    return weight * jnp.sum((x - y[:-1]) ** 2) + (y[-1] - weight) ** 2

  def minimiser(xs: Array) -> Array:
    weights = jnp.exp(xs @ query)  # [N]
    result = weights @ xs / jnp.sum(weights)  # [D]
    return jnp.append(result, jnp.mean(weights))  # [D + 1]

  return Potential(potential, minimiser)


def gaussian_posterior(
  noise: float, prior_mean: Array, prior_scale: float
) -> Potential:
  """Returns F = -log p(x | y), R = -log p(y), up to constants (eq. A.1).

  With x ~ N(y, noise^2) and y ~ N(prior_mean, prior_scale^2) the minimum is
  the mode of p(y | X), the mean of the data and of the prior weighted by their
  precisions.

  Args:
    noise: Standard deviation of an element.
    prior_mean: [D].
    prior_scale: Standard deviation of the prior.
  """

  def minimiser(xs: Array) -> Array:
    total = jnp.sum(xs, axis=0) / noise**2 + prior_mean / prior_scale**2
    return total / (xs.shape[0] / noise**2 + 1 / prior_scale**2)

  return Potential(
    lambda x, y: jnp.sum((x - y) ** 2) / (2 * noise**2),
    minimiser,
    lambda y: jnp.sum((y - prior_mean) ** 2) / (2 * prior_scale**2),
  )
