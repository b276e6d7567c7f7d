"""Plans against a convex solver, and what is exact about them."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from gnn_readout import segments, transport
from gnn_readout.graphs import make_sets

pytestmark = pytest.mark.usefixtures("double_precision")

D = 3
SIZES = (5, 0, 1, 2)
N = sum(SIZES) + 3
STARTS = np.cumsum((0, *SIZES))
# Solver -> iterations to convergence.
ITERATIONS = dict.fromkeys(transport.SOLVERS, 20_000)
ITERATIONS |= {"sinkhorn": 200, "sinkhorn_proximal": 500}
# Weak and strong divergences, one of them none.
CASES = [
  {"a1": 0.7, "a2": 0.5, "a3": 1.3},
  {"a1": 0.5, "a2": 7.0, "a3": 0.0},
]


def example(scale=1.0, filler=0.0):
  """Returns scores, log q0 (not uniform) and sets with a padded tail."""
  rng = np.random.default_rng(0)
  scores = scale * rng.normal(size=(N, D))
  scores[sum(SIZES) :] = filler
  sets = make_sets(np.array(SIZES), N)
  q0 = segments.softmax(jnp.asarray(rng.normal(size=N)), sets)
  log_q0 = jnp.log(jnp.where(sets.mask, q0, 1))
  return jnp.asarray(scores), log_q0, sets


def weights(num_iterations, dtype=jnp.float64, **values):
  values = {"a0": 0.0, "a1": 0.7, "a2": 0.5, "a3": 1.3, "rho": 3.0, **values}
  return transport.Weights(
    **{k: jnp.full(num_iterations, v, dtype) for k, v in values.items()}
  )


@functools.partial(jax.jit, static_argnums=0)
def solve(solver, scores, log_q0, sets, weights):
  return transport.SOLVERS[solver](scores, log_q0, sets, weights)


@functools.partial(jax.jit, static_argnums=0)
def solve_gromov(solver, scores, described, log_q0, sets, weights):
  coupling = transport.gromov(scores, described, sets)
  return transport.SOLVERS[solver](scores, log_q0, sets, weights, coupling)


def parts(array):
  """Returns the rows of each set, and asserts that padding is 0."""
  array = np.asarray(array)
  np.testing.assert_array_equal(array[STARTS[-1] :], 0)
  return [array[a:b] for a, b in zip(STARTS, STARTS[1:])]


def optimum(scores, q0, quadratic, a1, a2, a3):
  """Solves the problem of one set as a cone program."""
  cp = pytest.importorskip("cvxpy")
  plan = cp.Variable(scores.shape, nonneg=True)
  smooth = cp.sum_squares(plan) if quadratic else -cp.sum(cp.entr(plan))
  features = cp.sum(cp.kl_div(cp.sum(plan, axis=0), np.full(D, 1 / D)))
  elements = cp.sum(cp.kl_div(cp.sum(plan, axis=1), q0))
  gain = cp.sum(cp.multiply(scores, plan))
  objective = gain - a1 * smooth - a2 * features - a3 * elements
  problem = cp.Problem(cp.Maximize(objective), [cp.sum(plan) == 1])
  problem.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12)
  return plan.value


# Its tolerance is the tightest it takes.
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("case", CASES)
def test_converges_to_the_optimum(case):
  scores, log_q0, sets = example()
  plans = {
    solver: parts(solve(solver, scores, log_q0, sets, weights(number, **case)))
    for solver, number in ITERATIONS.items()
  }
  q0 = np.exp(log_q0)
  for quadratic in (False, True):
    for s, (start, size) in enumerate(zip(STARTS, SIZES)):
      if not size:
        continue
      own = slice(start, start + size)
      expected = optimum(np.asarray(scores)[own], q0[own], quadratic, **case)
      for solver, plan in plans.items():
        if (solver == "badmm_quadratic") == quadratic:
          np.testing.assert_allclose(
            plan[s], expected, atol=1e-5, err_msg=solver
          )


def objective(plan, scores, q0, smooth, coupled, a0, a1, a2, a3):
  """Returns what the plan of one set maximises, and its slope."""
  x, (elements, features) = scores, coupled
  columns, rows = plan.sum(0), plan.sum(1)
  attracted = elements @ plan @ features
  value = np.sum((x + a0 * attracted) * plan)
  slope = x + 2 * a0 * attracted
  if smooth == "quadratic":
    value -= a1 * np.sum(plan**2)
    slope = slope - 2 * a1 * plan
  else:
    value -= a1 * np.sum(special.xlogy(plan, plan))
    slope = slope - a1 * (np.log(plan) + 1)
  value -= a2 * np.sum(special.rel_entr(columns, np.full(D, 1 / D)))
  value -= a3 * np.sum(special.rel_entr(rows, q0))
  slope = slope - a2 * (np.log(columns * D) + 1)
  slope = slope - a3 * (np.log(rows / q0)[:, None] + 1)
  return value, slope


def best_value(starts, *arguments):
  """Returns the highest value that a direct search from any start finds."""
  found = []
  for start in starts:
    done = optimize.minimize(
      lambda p: [-part for part in at(p, start.shape, arguments)],
      start.ravel(),
      jac=True,
      method="SLSQP",
      bounds=[(1e-13, 1)] * start.size,
      constraints={
        "type": "eq",
        "fun": lambda p: p.sum() - 1,
        "jac": lambda p: np.ones_like(p),
      },
      options={"ftol": 1e-13, "maxiter": 500},
    )
    assert abs(done.x.sum() - 1) < 1e-9
    found.append(-done.fun)
  return max(found)


def at(flat, shape, arguments):
  value, slope = objective(flat.reshape(shape), *arguments)
  return value, slope.ravel()


@pytest.mark.parametrize("a0", [0.0, 0.1])
def test_a_direct_search_finds_no_better_plan(a0):
  """With the Gromov-Wasserstein term, of weight a0, and without it."""
  scores, log_q0, sets = example()
  v = np.random.default_rng(1).normal(size=(N, 2))
  rng = np.random.default_rng(2)
  case = {"a0": a0, "a1": 0.7, "a2": 0.5, "a3": 1.3}
  for solver, number in ITERATIONS.items():
    plans = parts(
      solve_gromov(solver, scores, v, log_q0, sets, weights(number, **case))
    )
    smooth = "quadratic" if solver == "badmm_quadratic" else "entropic"
    for s, (start, size) in enumerate(zip(STARTS, SIZES)):
      if size < 2:
        continue
      own = slice(start, start + size)
      x, q0 = np.asarray(scores)[own], np.exp(log_q0)[own]
      arguments = x, q0, smooth, similarities(x, v[own]), *case.values()
      tries = rng.dirichlet(np.ones(size * D), 3).reshape(-1, size, D)
      best = best_value([q0[:, None] * np.full(D, 1 / D), *tries], *arguments)
      value, _ = objective(np.maximum(plans[s], 1e-300), *arguments)
      assert value == pytest.approx(best, abs=1e-5), (solver, s)


@pytest.mark.parametrize("solver", transport.SOLVERS)
def test_few_iterations_give_a_plan_and_its_errors(solver):
  scores, log_q0, sets = example(filler=0.0)
  plan = solve(solver, scores, log_q0, sets, weights(4))
  rows, columns = transport.marginal_errors(plan, log_q0, sets)
  q0 = np.exp(log_q0)
  for s, (own, start, size) in enumerate(zip(parts(plan), STARTS, SIZES)):
    assert (own >= 0).all()
    np.testing.assert_allclose(own.sum(), size > 0, rtol=1e-12)
    prior = q0[start : start + size]
    np.testing.assert_allclose(rows[s], np.abs(own.sum(1) - prior).sum())
    error = np.abs(own.sum(0) - 1 / D).sum() if size else 0
    np.testing.assert_allclose(columns[s], error)


@pytest.mark.parametrize("solver", transport.SOLVERS)
def test_a_constant_added_to_the_scores_of_a_set_changes_nothing(solver):
  scores, log_q0, sets = example()
  expected = solve(solver, scores, log_q0, sets, weights(4))
  shift = jnp.asarray([100.0, 0.0, -7.0, 1e3])
  scores = scores + segments.broadcast(shift, sets)[:, None]
  plan = solve(solver, scores, log_q0, sets, weights(4))
  np.testing.assert_allclose(plan, expected, atol=1e-12)


@pytest.mark.parametrize("solver", transport.SOLVERS)
def test_limits(solver):
  """Marginals at their priors, attention, and each feature's maximum."""
  x, log_q0, sets = example()

  def plan(**values):
    few = weights(ITERATIONS[solver], **values)
    return solve(solver, x, log_q0, sets, few)

  def pooled(plan):
    return D * segments.sum(x * plan, sets)

  for error in transport.marginal_errors(plan(a2=1e6, a3=1e6), log_q0, sets):
    np.testing.assert_allclose(error, 0, atol=1e-5)
  smooth = plan(a1=1e4, a2=1e9, a3=1e9, rho=1e4)
  attention = segments.softmax_mean(log_q0[:, None], x, sets)
  np.testing.assert_allclose(pooled(smooth), attention, atol=1e-3)
  sharp = plan(a1=1e-3, a2=1e4, a3=0.0, rho=0.1)
  np.testing.assert_allclose(pooled(sharp), segments.max(x, sets), atol=1e-3)


@pytest.mark.parametrize("solver", transport.SOLVERS)
def test_huge_scores_in_single_precision(solver):
  scores, log_q0, sets = example(scale=1e4)
  plan = solve(
    solver,
    scores.astype(jnp.float32),
    log_q0.astype(jnp.float32),
    sets,
    weights(4, jnp.float32),
  )
  assert plan.dtype == jnp.float32
  expected = solve(solver, scores, log_q0, sets, weights(4))
  np.testing.assert_allclose(plan, expected, atol=1e-2)


def similarities(x, v):
  """Returns C_n and C_d of one set, formed."""
  elements, features = v @ v.T, x.T @ x
  return (
    elements / np.diag(elements).mean(),
    features / np.diag(features).mean(),
  )


def test_the_coupling_is_that_of_formed_similarities():
  x, _, sets = example(filler=np.nan)
  rng = np.random.default_rng(1)
  v, plan = rng.normal(size=(N, 2)), rng.uniform(size=(N, D))
  plan[sum(SIZES) :] = 0
  coupled = parts(jax.jit(transport.gromov(x, v, sets))(plan))
  for s, (start, size) in enumerate(zip(STARTS, SIZES)):
    own = slice(start, start + size)
    if size:
      elements, features = similarities(np.asarray(x)[own], v[own])
      expected = elements @ plan[own] @ features
      np.testing.assert_allclose(coupled[s], expected, rtol=1e-9)


def test_with_a_coupling_all_solvers_find_a_stationary_plan():
  """The slope of the objective is the same in every entry of P."""
  scores, log_q0, sets = example()
  case = {"a0": 0.1, "a1": 0.7, "a2": 0.5, "a3": 1.3}
  v = np.random.default_rng(1).normal(size=(N, 2))
  for solver, number in ITERATIONS.items():
    plan = parts(
      solve_gromov(solver, scores, v, log_q0, sets, weights(number, **case))
    )
    own, x = plan[0], np.asarray(scores)[: SIZES[0]]
    q0 = np.exp(log_q0)[: SIZES[0], None]
    elements, features = similarities(x, v[: SIZES[0]])
    smooth = 2 * own if solver == "badmm_quadratic" else np.log(own)
    slope = (
      x
      + 2 * case["a0"] * elements @ own @ features
      - case["a1"] * smooth
      - case["a2"] * np.log(own.sum(0) * D)
      - case["a3"] * np.log(own.sum(1, keepdims=True) / q0)
    )
    inside = slope[own > 1e-9]
    assert inside.size > D
    np.testing.assert_allclose(inside, inside[0], atol=1e-6, err_msg=solver)
    assert (slope <= inside[0] + 1e-6).all()
