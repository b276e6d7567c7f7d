"""The inner optimiser of Equilibrium Aggregation: y* = argmin_y E(X, y).

Pure functions of an energy and a starting point; no Haiku, no graphs. S sets
are minimised side by side and do not influence each other: the energy maps
y [S, M] to [S], and its s-th value depends on the s-th row of y alone.

Three parts kept apart: the problem (an energy and, if there is a cheaper way
than automatic differentiation, its gradient), the solver (T steps of gradient
descent with look-ahead momentum) and the adjoint (through the unrolled loop,
or implicitly at the solution).
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.errors import suggest

ADJOINTS = ("unrolled", "implicit")
AUX_REDUCTIONS = {"mean": jnp.mean, "sum": jnp.sum}


class Trace(NamedTuple):
  """What happened at every step, at the points where the gradient was taken.

  Attributes:
    energy: [T, S].
    max_norm: [T, S], max_d |g_d|.
    mean_square: [T, S], the mean over features of g_d^2.
    steps_taken: [S] int32, the steps in which y moved.
  """

  energy: Array
  max_norm: Array
  mean_square: Array
  steps_taken: Array


class Minimum(NamedTuple):
  """Where the solver stopped.

  Attributes:
    y: [S, M].
    aux_loss: [S], eq. 5.
    max_norm: [S], max_d |g_d| at the last step; not differentiable.
    trace: Every step, if asked for.
    iterates: [T + 1, S, M], y0 and y after every step, if asked for.
  """

  y: Array
  aux_loss: Array
  max_norm: Array
  trace: Trace | None
  iterates: Array | None = None


def minimise(
  energy: Callable[[Array], Array],
  y0: Array,
  *,
  learning_rate: Array | float,
  momentum: Array | float,
  num_steps: int,
  gradient_fn: Callable[[Array], Array] | None = None,
  gradient_tolerance: float = 1e-3,
  clip: float | None = None,
  project: Callable[[Array], Array] | None = None,
  aux_reduction: str = "mean",
  adjoint: str = "unrolled",
  solver_tolerance: float = 1e-5,
  solver_iterations: int = 50,
  trace: bool = False,
  iterates: bool = False,
) -> Minimum:
  """Minimises the energy of every set by T steps with look-ahead momentum.

  With rate a, momentum mu, y = y0 and m = 0, T times:
    g = dE/dy at y + mu m;  m <- mu m - a g;
    y <- y + m where max_d |g_d| >= gradient_tolerance;
    y <- project(clip(y)).

  `adjoint="unrolled"` differentiates through the loop. `"implicit"` runs the
  loop without derivatives and uses the implicit function theorem at its end:
  a cotangent c of y becomes -(d2E/dy dtheta)^T H^-1 c, where H v = c is solved
  by conjugate gradients. Its memory does not depend on T; the rate and the
  momentum get no gradient (they do not move a minimum). It is right as far as
  y is a minimum, which `max_norm` shows, and as the solve converges; where it
  does not, a warning with the residual is logged. It goes neither with `clip`
  nor with `project`: the loop then ends where the gradient is not zero. Nor
  does it give `iterates`, which have no derivative there.

  Differs from the paper: eq. 5 sums g_d^2 over features, Listing 2 takes their
  mean, which is what ran and is the default; `aux_reduction="sum"` is eq. 5.
  With `adjoint="implicit"` (of which the paper reports no details) the
  auxiliary loss is that of the last point alone, differentiated with y held
  fixed: along the loop there is no derivative, and that of g at a minimum that
  moves with the parameters is zero.

  Args:
    energy: y [S, M] -> [S], the sets independent of one another. Arrays it
      closes over are differentiated.
    y0: [S, M], where to start; the unrolled loop differentiates it.
    learning_rate: The step size, a scalar.
    momentum: mu, a scalar.
    num_steps: T. 0 returns y0 and an auxiliary loss of 0.
    gradient_fn: y -> dE/dy [S, M], differentiable in reverse mode, to be used
      instead of automatic differentiation of `energy`.
    gradient_tolerance: Sets with a smaller max_d |g_d| stay where they are.
    clip: Largest |y_d|, or None.
    project: y [S, M] -> [S, M], the nearest point of a set that y must be in,
      the sets independent; or None.
    aux_reduction: 'mean' or 'sum' over features in the auxiliary loss.
    adjoint: 'unrolled' or 'implicit'.
    solver_tolerance: Relative residual at which the implicit solve stops.
    solver_iterations: Most iterations of the implicit solve.
    trace: Whether to record every step.
    iterates: Whether to return every point, for a loss of all of them.

  Returns:
    The point reached, its auxiliary loss, and the trace.

  Raises:
    ValueError: if an argument is out of range or unknown.

  Reference: Bartunov et al. 2022, Listing 2, eq. 4 and 5, appendix C.5.
  """
  _check(y0, learning_rate, momentum, num_steps, adjoint, aux_reduction)
  for name, given in (
    (f"clip {clip}", clip is not None),
    ("project", project is not None),
    ("iterates", iterates),
  ):
    if adjoint == "implicit" and given:
      raise ValueError(
        f"{name} is not supported with adjoint='implicit'; use"
        " adjoint='unrolled'."
      )
  reduce = functools.partial(AUX_REDUCTIONS[aux_reduction], axis=-1)
  if gradient_fn is None:
    gradient_fn = _autodiff(energy, y0)
  implicit = adjoint == "implicit" and num_steps > 0
  # Cut inside the loop, so that not even its linearisation is kept.
  cut = jax.lax.stop_gradient if implicit else lambda x: x
  y0, learning_rate, momentum = map(cut, (y0, learning_rate, momentum))

  def step(carry, _):
    y, velocity, aux, _ = carry
    ahead = y + momentum * velocity  # [S, M]
    g = cut(gradient_fn(ahead))  # [S, M]
    max_norm = jax.lax.stop_gradient(jnp.max(jnp.abs(g), axis=-1))  # [S]
    # A norm that is NaN moves y too, so that the fault shows.
    moves = ~(max_norm < gradient_tolerance)  # [S]
    velocity = momentum * velocity - learning_rate * g
    y = y + jnp.where(moves[:, None], velocity, 0)
    if clip is not None:
      y = jnp.clip(y, -clip, clip)
    if project is not None:
      y = project(y)
    carry = y, velocity, aux + reduce(g * g), max_norm
    record = None
    if trace:
      record = cut(energy(ahead)), max_norm, jnp.mean(g * g, -1), moves
    return carry, (record, y if iterates else None)

  zeros = jnp.zeros(y0.shape[:1], y0.dtype)  # [S]
  (y, _, aux_loss, max_norm), (records, points) = jax.lax.scan(
    step, (y0, jnp.zeros_like(y0), zeros, zeros), length=num_steps
  )
  aux_loss = aux_loss / max(num_steps, 1)
  if implicit:
    g, transpose = jax.vjp(gradient_fn, y)
    aux_loss = reduce(g * g)
    max_norm = jax.lax.stop_gradient(jnp.max(jnp.abs(g), axis=-1))
    y = _implicit(solver_tolerance, solver_iterations, y, g, transpose)
  if iterates:
    points = jnp.concatenate([y0[None], points])  # [T + 1, S, M]
  found = Minimum(y, aux_loss, max_norm, None, points)
  if not trace:
    return found
  energies, norms, squares, moved = records
  steps_taken = jnp.sum(moved, axis=0, dtype=jnp.int32)
  return found._replace(trace=Trace(energies, norms, squares, steps_taken))


class Solution(NamedTuple):
  """Where conjugate gradients stopped.

  Attributes:
    x: [S, M].
    residual: [S], |b - H x| / |b|, 0 where b is 0.
    iterations: [], how many were made.
  """

  x: Array
  residual: Array
  iterations: Array


def conjugate_gradients(
  product: Callable[[Array], Array],
  b: Array,
  *,
  tolerance: float = 1e-5,
  max_iterations: int = 50,
) -> Solution:
  """Solves H_s x_s = b_s for every set by conjugate gradients.

  A set stops when its residual is small enough, or when it meets a direction
  of no positive curvature: then H_s is not positive definite, x_s is not a
  solution, and its residual says so.

  Args:
    product: v [S, M] -> H v [S, M], symmetric, the sets independent.
    b: [S, M].
    tolerance: The relative residual at which a set stops.
    max_iterations: The most iterations.

  Returns:
    The solution with the residual of every set.
  """
  dot = functools.partial(jnp.einsum, "sm,sm->s", precision="highest")
  limit = tolerance**2 * dot(b, b)  # [S]

  def running(state):
    *_, active, count = state
    return jnp.any(active) & (count < max_iterations)

  def iterate(state):
    x, r, p, rr, active, count = state
    hp = product(p)  # [S, M]
    curvature = dot(p, hp)  # [S]
    active = active & (curvature > 0)
    rate = jnp.where(active, rr / jnp.where(active, curvature, 1), 0)[:, None]
    x, r = x + rate * p, r - rate * hp
    new = dot(r, r)  # [S]
    ratio = jnp.where(active, new / jnp.where(active, rr, 1), 0)[:, None]
    active = active & (new > limit)
    return x, r, r + ratio * p, new, active, count + 1

  bb = dot(b, b)
  x, r, *_, count = jax.lax.while_loop(
    running, iterate, (jnp.zeros_like(b), b, b, bb, bb > limit, jnp.int32(0))
  )
  residual = jnp.sqrt(dot(r, r) / jnp.where(bb > 0, bb, 1))
  return Solution(x, residual, count)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _implicit(tolerance, max_iterations, y, g, transpose):
  """Returns y, and makes its derivative -H^-1 times that of g.

  `transpose` maps v to (H^T v,); being a derivative twice over, H = H^T. It is
  a pytree, so what it has kept of y is an argument like the others.
  """
  del tolerance, max_iterations, g, transpose
  return y


def _implicit_fwd(tolerance, max_iterations, y, g, transpose):
  del tolerance, max_iterations, g
  return y, transpose


def _implicit_bwd(tolerance, max_iterations, transpose, cotangent):
  solution = conjugate_gradients(
    lambda v: transpose(v)[0],
    cotangent,
    tolerance=tolerance,
    max_iterations=max_iterations,
  )
  report = functools.partial(
    _report, tolerance, max_iterations, itertools.count(1)
  )
  jax.debug.callback(report, solution.residual)
  return None, -solution.x, None


_implicit.defvjp(_implicit_fwd, _implicit_bwd)


def _report(tolerance, max_iterations, occurrences, residual):
  """Logs a failed solve: the first, second, fourth, eighth... of a program."""
  failed = ~(residual <= tolerance)  # True for NaN as well.
  if not failed.any():
    return
  occurrence = next(occurrences)
  if occurrence & (occurrence - 1) == 0:
    logging.getLogger(__name__).warning(
      "The implicit solve of %d of %d sets did not reach a relative residual "
      "of %g in %d iterations; the largest is %g (occurrence %d).",
      failed.sum(),
      failed.size,
      tolerance,
      max_iterations,
      residual.max(),
      occurrence,
    )


def _autodiff(energy, y0):
  shape = jax.eval_shape(energy, y0).shape
  if shape != y0.shape[:1]:
    raise ValueError(
      f"energy must map y {list(y0.shape)} to {list(y0.shape[:1])}, one number "
      f"per set; it returns {list(shape)}."
    )
  return jax.grad(lambda y: jnp.sum(energy(y)))


def _check(y0, learning_rate, momentum, num_steps, adjoint, aux_reduction):
  if jnp.ndim(y0) != 2:
    raise ValueError(f"y0 must be [S, M], got shape {jnp.shape(y0)}.")
  for name, value in (
    ("learning_rate", learning_rate),
    ("momentum", momentum),
  ):
    if jnp.ndim(value) != 0:
      raise ValueError(
        f"{name} must be a scalar, got shape {jnp.shape(value)}."
      )
  if num_steps < 0:
    raise ValueError(f"num_steps must not be negative, got {num_steps}.")
  if adjoint not in ADJOINTS:
    raise ValueError(
      f"Unknown adjoint {adjoint!r}.{suggest(adjoint, ADJOINTS)}"
    )
  if aux_reduction not in AUX_REDUCTIONS:
    raise ValueError(
      f"Unknown aux_reduction {aux_reduction!r}."
      f"{suggest(aux_reduction, AUX_REDUCTIONS)}"
    )
