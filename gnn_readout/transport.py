"""Optimal transport between the elements and the features of each set.

For a set of n elements with scores X [n, D] a plan P [n, D] is sought with
P >= 0 and sum_nd P_nd = 1 that maximises

  <X, P> + a0 <C_n P C_d, P> - a1 R(P) - a2 KL(P^T 1 || p0) - a3 KL(P 1 || q0)

where R(P) = sum P log P (entropic) or sum P^2 (quadratic), p0 = 1/D, q0 is a
prior over the elements, and KL the Kullback-Leibler divergence. Where the mass
is 1 its generalised form, sum p log(p/q) - p + q, is the same number.

The mass has to be fixed: with KL alone it grows as exp(max X / (a1 + a2 + a3)),
which no floating-point number can hold. Given the sum of 1, scores shifted by
a constant per set give the same plan.

All functions take the elements of all sets, sorted by set, and work on
logarithms. Passes over [N, D] are what they cost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets

Coupling = Callable[[Array], Array]

_EPSILON = 1e-12  # Of the energy of a set, for sets of zeros.


class Weights(NamedTuple):
  """The weights of the terms, [K] each: one for each iteration.

  Attributes:
    a0: Weight of the Gromov-Wasserstein term; read only if there is a coupling.
    a1: Weight of the regulariser R; positive.
    a2: Weight of the divergence of the features' marginal from p0.
    a3: Weight of the divergence of the elements' marginal from q0.
    rho: Weight of the divergence between the two plans of `badmm`, or from the
      plan before of `proximal_sinkhorn`; positive.
  """

  a0: Array
  a1: Array
  a2: Array
  a3: Array
  rho: Array


def sinkhorn(
  scores: Array,
  log_q0: Array,
  sets: Sets,
  weights: Weights,
  coupling: Coupling | None = None,
) -> Array:
  """Solves the entropic problem by Sinkhorn's alternating scaling.

  With Y = X/a1 the plan is P ~ exp(Y_nd + a_d + b_n), scaled to sum to 1, and

    a_d <- a2/(a2 + a1) (log p0 - log sum_n exp(Y_nd + b_n))
    b_n <- a3/(a3 + a1) (log q0_n - log sum_d exp(Y_nd + a_d))

  Each update is the exact maximum of the dual in that variable, so that at
  constant weights the plan converges to the optimum. The Gromov-Wasserstein
  term enters X by its slope at the plan of the iteration before.

  Differs from the paper: the mass is 1 (see above); the program that came with
  the paper divides the duals by a1 once more in each iteration, whose fixed
  point is another plan, and updates both from the same P.

  Args:
    scores: X [N, D].
    log_q0: [N], log of the elements' prior, which sums to 1 in each set.
    sets: Which set each element belongs to.
    weights: The weights of the K iterations; `rho` is not read.
    coupling: P -> C_n P C_d, see `gromov`, or None for no such term.

  Returns:
    P [N, D], which sums to 1 in every set that has elements; 0 for padding.
  """
  log_p0 = -jnp.log(jnp.asarray(scores.shape[1], scores.dtype))

  def iterate(b, plan, w):
    # The quadratic form's slope has twice its matrix.
    y = _attracted(scores, 2 * w.a0, plan, coupling) / w.a1
    column = segments.logsumexp(y + b[:, None], sets)  # [S, D]
    a = w.a2 / (w.a2 + w.a1) * (log_p0 - column)
    y = y + segments.broadcast(a, sets)
    row = jax.nn.logsumexp(y, axis=1)  # [N]
    b = w.a3 / (w.a3 + w.a1) * (log_q0 - row)
    # The sum over a row after its scaling needs no further pass.
    mass = segments.broadcast(segments.logsumexp(row + b, sets), sets)
    return b, segments.masked(jnp.exp(y + (b - mass)[:, None]), sets)

  def step(carry, w):
    b, plan = iterate(*carry, w)
    # Not carried where it is not read, so that it is not computed.
    return (b, None if coupling is None else plan), None

  plan = None if coupling is None else _product_plan(scores, log_q0, sets)
  carry = _repeat(step, (jnp.zeros_like(log_q0), plan), weights)
  return iterate(*carry, _last(weights))[1]


def proximal_sinkhorn(
  scores: Array,
  log_q0: Array,
  sets: Sets,
  weights: Weights,
  coupling: Coupling | None = None,
  num_rounds: int = 5,
) -> Array:
  """Solves the entropic problem by proximal steps, each of them by `sinkhorn`.

  Step by step rho KL(P || P before) is subtracted, which adds rho log(P before)
  to X and rho to the weight of the entropy, and some rounds of scaling solve
  what results. The slope of the Gromov-Wasserstein term is that at the plan
  before, which stays within reach: with a small a1 the plan of `sinkhorn` jumps
  to and fro. The fixed point is the same.

  Differs from the program that came with the paper as `sinkhorn` does; there
  rho is 1.

  Args:
    scores: X [N, D].
    log_q0: [N], log of the elements' prior, which sums to 1 in each set.
    sets: Which set each element belongs to.
    weights: The weights of the K steps.
    coupling: P -> C_n P C_d, see `gromov`, or None for no such term.
    num_rounds: Rounds of scaling within a step.

  Returns:
    P [N, D], which sums to 1 in every set that has elements; 0 for padding.
  """
  log_p0 = -jnp.log(jnp.asarray(scores.shape[1], scores.dtype))

  def step(carry, w):
    b, log_plan = carry
    plan = None
    if coupling is not None:
      plan = segments.masked(jnp.exp(log_plan), sets)
    weight = w.a1 + w.rho
    # The quadratic form's slope has twice its matrix.
    y = _attracted(scores, 2 * w.a0, plan, coupling) + w.rho * log_plan
    y = y / weight
    for _ in range(num_rounds):
      column = segments.logsumexp(y + b[:, None], sets)  # [S, D]
      a = w.a2 / (w.a2 + weight) * (log_p0 - column)
      scaled = y + segments.broadcast(a, sets)
      row = jax.nn.logsumexp(scaled, axis=1)  # [N]
      b = w.a3 / (w.a3 + weight) * (log_q0 - row)
    mass = segments.broadcast(segments.logsumexp(row + b, sets), sets)
    return (b, scaled + (b - mass)[:, None]), None

  log_plan = jnp.broadcast_to((log_q0 + log_p0)[:, None], scores.shape)
  carry = jnp.zeros_like(log_q0), log_plan
  (_, log_plan), _ = jax.lax.scan(jax.checkpoint(step), carry, weights)
  return segments.masked(jnp.exp(log_plan), sets)


def badmm(
  scores: Array,
  log_q0: Array,
  sets: Sets,
  weights: Weights,
  coupling: Coupling | None = None,
  quadratic: bool = False,
) -> Array:
  """Solves either problem by the Bregman alternating direction method.

  Two plans are kept, T for the scores and the elements' marginal, S for the
  features' marginal, and drawn together by a multiplier Z and rho KL:

    Y = (X + a0 C_n S C_d - Z)/rho + log S,          r = LSE_d(Y)
    log T = Y - r + log eta,    log eta = logsoftmax_n((rho r + a3 log q0)
                                                       / (rho + a3))
    Y = (Z + a0 C_n T C_d + rho log T)/(a1 + rho),   c = LSE_n(Y)
    log S = Y - c + log mu,     log mu = logsoftmax_d(((a1 + rho) c + a2 log p0)
                                                      / (a1 + rho + a2))
    Z <- Z + rho (T - S)

  Quadratic: a1 S and a1 T are subtracted from X and Z, and a1 + rho is rho.
  That takes half of R at either plan by its slope at the other, and converges
  where rho >= a1.

  Differs from the paper: there mu and eta are variables with multipliers of
  their own, z1 += rho (mu - S^T 1). But S was just made to have the marginal
  mu, so that z1 sees only the change of mu, and from mu = p0 and z1 = 0 nothing
  ever moves: a2 and a3 have no effect. Here each plan's step includes its
  divergence, whose exact solution is the above; the fixed point is the optimum
  and the paper's iteration the limit of large a2 and a3.

  Args:
    scores: X [N, D].
    log_q0: [N], log of the elements' prior, which sums to 1 in each set.
    sets: Which set each element belongs to.
    weights: The weights of the K iterations.
    coupling: P -> C_n P C_d, see `gromov`, or None for no such term.
    quadratic: Whether R is quadratic.

  Returns:
    T [N, D], which sums to 1 in every set that has elements; 0 for padding.
  """
  log_p0 = -jnp.log(jnp.asarray(scores.shape[1], scores.dtype))

  def plan_of(log_plan):
    return segments.masked(jnp.exp(log_plan), sets)

  def first_plan(log_s, z, w):
    s = plan_of(log_s)
    slope = _attracted(scores, w.a0, s, coupling) - z
    slope = slope - w.a1 * s if quadratic else slope
    y = slope / w.rho + log_s
    row = jax.nn.logsumexp(y, axis=1)  # [N]
    log_eta = _log_softmax((w.rho * row + w.a3 * log_q0) / (w.rho + w.a3), sets)
    return y + (log_eta - row)[:, None]

  def second_plan(log_t, t, z, w):
    slope = _attracted(z, w.a0, t, coupling)
    slope = slope - w.a1 * t if quadratic else slope
    weight = w.rho if quadratic else w.a1 + w.rho
    y = (slope + w.rho * log_t) / weight
    column = segments.logsumexp(y, sets)  # [S, D]
    log_mu = jax.nn.log_softmax(
      (weight * column + w.a2 * log_p0) / (weight + w.a2), axis=1
    )
    return y + segments.broadcast(log_mu - column, sets)

  def step(carry, w):
    log_s, z = carry
    log_t = first_plan(log_s, z, w)
    t = plan_of(log_t)
    log_s = second_plan(log_t, t, z, w)
    return (log_s, z + w.rho * (t - plan_of(log_s))), None

  log_s = jnp.broadcast_to((log_q0 + log_p0)[:, None], scores.shape)
  carry = _repeat(step, (log_s, jnp.zeros_like(scores)), weights)
  return plan_of(first_plan(*carry, _last(weights)))


SOLVERS: dict[str, Callable[..., Array]] = {
  "badmm_entropic": badmm,
  "badmm_quadratic": functools.partial(badmm, quadratic=True),
  "sinkhorn": sinkhorn,
  "sinkhorn_proximal": proximal_sinkhorn,
}


def gromov(elements: Array, projections: Array, sets: Sets) -> Coupling:
  """Returns the function P -> C_n P C_d of similarities within each set.

  C_n = V V^T is the similarity of the elements and C_d = X^T X that of the
  features, each divided by the mean of its diagonal over its set. Neither is
  formed: C_n P C_d = sum_r V_r ((V_r^T P) X^T) X, column by column of V, in
  memory for N D numbers.

  Args:
    elements: X [N, D].
    projections: V [N, R], the elements or fewer numbers that describe them.
    sets: Which set each element belongs to.
  """

  def energy(x):
    return segments.sum(jnp.sum(jnp.square(x), axis=1), sets)  # [S]

  def scaled(x, diagonal):
    scale = jax.lax.rsqrt(diagonal + _EPSILON)
    return segments.masked(x, sets) * segments.broadcast(scale, sets)[:, None]

  count = jnp.maximum(sets.sizes, 1).astype(elements.dtype)
  v = scaled(projections, energy(projections) / count)
  x = scaled(elements, energy(elements) / elements.shape[1])

  def coupling(plan: Array) -> Array:
    @jax.checkpoint
    def add(total, column):
      feature = segments.sum(column[:, None] * plan, sets)  # [S, D]
      share = jnp.sum(segments.broadcast(feature, sets) * x, axis=1)  # [N]
      feature = segments.sum(share[:, None] * x, sets)  # [S, D]
      spread = segments.broadcast(feature, sets)  # [N, D]
      return total + column[:, None] * spread, None

    return jax.lax.scan(add, jnp.zeros_like(plan), v.T)[0]

  return coupling


def marginal_errors(
  plan: Array, log_q0: Array, sets: Sets
) -> tuple[Array, Array]:
  """Returns |P 1 - q0|_1 and |P^T 1 - p0|_1, [S] each; 0 for empty sets."""
  rows = jnp.abs(jnp.sum(plan, axis=1) - jnp.exp(log_q0))  # [N]
  columns = jnp.abs(segments.sum(plan, sets) - 1 / plan.shape[1])  # [S, D]
  columns = jnp.where(sets.sizes > 0, jnp.sum(columns, axis=1), 0)
  return segments.sum(rows, sets), columns


def _repeat(step, carry, weights: Weights):
  """Returns the carry after all iterations but the last.

  Only the carry is stored for the gradient: the exponentials of an iteration
  are cheaper to compute again than to write and read.
  """
  first = jax.tree.map(lambda w: w[:-1], weights)
  return jax.lax.scan(jax.checkpoint(step), carry, first)[0]


def _last(weights: Weights) -> Weights:
  return jax.tree.map(lambda w: w[-1], weights)


def _attracted(
  scores: Array, weight: Array, plan: Array | None, coupling: Coupling | None
) -> Array:
  """Returns X + a0 C_n P C_d."""
  return scores if coupling is None else scores + weight * coupling(plan)


def _product_plan(scores: Array, log_q0: Array, sets: Sets) -> Array:
  """Returns q0_n / D, [N, D]."""
  row = segments.masked(jnp.exp(log_q0) / scores.shape[1], sets)
  return jnp.broadcast_to(row[:, None], scores.shape)


def _log_softmax(logits: Array, sets: Sets) -> Array:
  """Returns logits [N] shifted so that their exponentials sum to 1 per set."""
  return logits - segments.broadcast(segments.logsumexp(logits, sets), sets)
