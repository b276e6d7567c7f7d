"""Distances to templates against dense tensors, assignments and POT."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from gnn_readout import fused_gromov
from gnn_readout.fused_gromov import Templates
from gnn_readout.graphs import Edges, make_sets

pytestmark = pytest.mark.usefixtures("double_precision")

SIZES, D, K, M = (5, 0, 1, 7, 3), 3, 2, 4
N = sum(SIZES) + 2
SETTINGS = {"epsilon": 0.5, "num_iterations": 4, "num_scalings": 3}


def graphs(seed=0):
  """Returns nodes, sets with edges, and the adjacency of each graph."""
  rng = np.random.default_rng(seed)
  elements = rng.normal(size=(N, D))
  elements[sum(SIZES) :] = 0
  adjacencies, pairs, start = [], [], 0
  for size in SIZES:
    upper = np.triu(rng.random((size, size)) < 0.5, 1)
    adjacency = (upper | upper.T).astype(float)
    adjacencies.append(adjacency)
    pairs.append(np.argwhere(adjacency) + start)
    start += size
  pairs = np.concatenate(pairs)
  mask = np.arange(len(pairs) + 6) < len(pairs)
  pairs = np.concatenate([pairs, np.full((6, 2), N - 1)])  # Of padding.
  edges = Edges(*jnp.asarray(pairs, jnp.int32).T, jnp.asarray(mask))
  sets = dataclasses.replace(make_sets(np.array(SIZES), N), edges=edges)
  return jnp.asarray(elements), sets, adjacencies


def templates(seed=1):
  rng = np.random.default_rng(seed)
  adjacencies = rng.random((K, M, M))
  weights = rng.random((K, M)) + 0.2
  return Templates(
    jnp.asarray(rng.normal(size=(K, M, D))),
    jnp.asarray(adjacencies + adjacencies.swapaxes(1, 2)) / 2,
    jnp.log(weights / weights.sum(axis=1, keepdims=True)),
  )


def ours(elements, sets, own, alpha=0.3, **settings):
  run = functools.partial(fused_gromov.distances, **(SETTINGS | settings))
  return np.asarray(jax.jit(run)(elements, sets, own, alpha))


def graph_pairs(own):
  """Yields s, k, and what couples graph s and template k, for all of both."""
  elements, _, adjacencies = graphs()
  start = 0
  for s, size in enumerate(SIZES):
    x = np.asarray(elements[start : start + size])
    start += size
    for k in range(K) if size else ():
      y, q = np.asarray(own.features[k]), np.exp(own.log_weights[k])
      squares = ((x[:, None] - y) ** 2).sum(axis=2)
      p = np.full(size, 1 / size)
      yield s, k, squares, adjacencies[s], np.asarray(own.adjacencies[k]), p, q


def literal(squares, c, c_bar, p, q, alpha, settings):
  """The same steps on dense tensors, the quadratic term by its definition."""
  gaps = (c[:, :, None, None] - c_bar) ** 2  # [n, n, m, m]
  structure = lambda plan: np.einsum("ijkl,jl->ik", gaps, plan)
  plan = np.outer(p, q)
  for _ in range(settings["num_iterations"]):
    slope = (1 - alpha) * squares + 2 * alpha * structure(plan)
    plan = plan * np.exp(-slope / settings["epsilon"])
    columns = np.ones(len(q))
    for _ in range(settings["num_scalings"]):
      rows = p / (plan @ columns)
      columns = q / (rows @ plan)
    plan = rows[:, None] * plan * columns
  # In the constant part the graph's marginal is 1/n, as in the limit.
  constant = (c**2 @ p)[:, None] + c_bar**2 @ q
  quadratic = constant - 2 * c @ plan @ c_bar.T
  return np.sum(plan * ((1 - alpha) * squares + alpha * quadratic))


def test_steps_are_those_on_dense_tensors():
  elements, sets, _ = graphs()
  own = templates()
  settings = SETTINGS | {"num_scalings": 60}
  values = ours(elements, sets, own, **settings)
  expected = np.zeros((len(SIZES), K))
  for s, k, *pair in graph_pairs(own):
    expected[s, k] = literal(*pair, 0.3, settings)
  np.testing.assert_allclose(values, expected, rtol=1e-8)


def test_without_structure_it_is_the_best_assignment():
  elements, sets, _ = graphs()
  own = templates()._replace(log_weights=jnp.full((K, M), -np.log(M)))
  values = ours(elements, sets, own, 0.0, num_iterations=200, num_scalings=99)
  for s, k, squares, _, _, p, q in graph_pairs(own):
    # Copies of the nodes, n m of them on both sides, which all weigh the same.
    n, m = len(p), len(q)
    costs = np.repeat(np.repeat(squares, m, axis=0), n, axis=1)
    best = costs[scipy.optimize.linear_sum_assignment(costs)].mean()
    np.testing.assert_allclose(values[s, k], best, rtol=1e-3)


def test_of_a_graph_to_itself_it_is_0():
  elements, sets, adjacencies = graphs()
  order = np.random.default_rng(2).permutation(SIZES[0])
  own = Templates(
    elements[: SIZES[0]][order][None],
    jnp.asarray(adjacencies[0][np.ix_(order, order)][None]),
    jnp.full((1, SIZES[0]), -np.log(SIZES[0])),
  )
  values = ours(elements, sets, own, 0.5, num_iterations=100)
  assert values[0, 0] < 1e-6 < 0.1 < values[3, 0]


@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_steps_are_those_of_pot(alpha):
  ot = pytest.importorskip("ot")
  elements, sets, _ = graphs()
  own = templates()
  values = ours(elements, sets, own, alpha, num_iterations=10, num_scalings=200)
  for s, k, squares, c, c_bar, p, q in graph_pairs(own):
    expected = ot.gromov.entropic_fused_gromov_wasserstein2(
      squares, c, c_bar, p, q, alpha=alpha, epsilon=SETTINGS["epsilon"],
      solver="PPA", max_iter=10, tol=0, numItermax=2000, stopThr=1e-14,
    )  # fmt: skip
    np.testing.assert_allclose(values[s, k], expected, rtol=1e-6)


def test_at_the_end_it_is_at_most_pots_exact_distance():
  """Both go to local minima, the conditional gradient from the same plan."""
  ot = pytest.importorskip("ot")
  elements, sets, _ = graphs()
  own = templates()
  values = ours(elements, sets, own, num_iterations=200, num_scalings=30)
  for s, k, squares, c, c_bar, p, q in graph_pairs(own):
    plan = ot.gromov.fused_gromov_wasserstein(
      squares, c, c_bar, p, q, alpha=0.3
    )
    gaps = (c[:, :, None, None] - c_bar) ** 2
    exact = 0.7 * np.sum(squares * plan)
    exact += 0.3 * np.einsum("ijkl,ik,jl->", gaps, plan, plan)
    assert 0.8 * exact < values[s, k] < 1.001 * exact


def test_gradients_are_slopes_and_finite():
  elements, sets, _ = graphs()
  rng = np.random.default_rng(3)

  def total(arguments):
    elements, own, alpha = arguments
    values = fused_gromov.distances(elements, sets, own, alpha, **SETTINGS)
    return jnp.sum(jnp.square(values))

  arguments = elements, templates(), jnp.asarray(0.3)
  direction = jax.tree.map(
    lambda x: jnp.asarray(rng.normal(size=x.shape)), arguments
  )
  gradient = jax.jit(jax.grad(total))(arguments)
  np.testing.assert_array_equal(gradient[0][sum(SIZES) :], 0)
  slope = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, direction)))
  compiled, step = jax.jit(total), 1e-6
  ahead, behind = (
    compiled(jax.tree.map(lambda x, d, s=s: x + s * d, arguments, direction))
    for s in (step, -step)
  )
  np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)


def test_sets_without_edges_are_refused():
  sets = make_sets(np.array([2, 1]), 3)
  with pytest.raises(ValueError, match=r"as graphs\.node_sets gives them"):
    fused_gromov.distances(
      jnp.zeros((3, 2)), sets, templates(), 0.3, **SETTINGS
    )
