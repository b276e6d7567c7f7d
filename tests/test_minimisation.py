"""The solver against a plain loop, its two adjoints against each other."""

from __future__ import annotations

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.minimisation import conjugate_gradients, minimise

pytestmark = pytest.mark.usefixtures("double_precision")

S, M = 5, 7


def convex(seed=0):
  """Returns theta of a strongly convex energy; its Hessian is in [1, ~20]."""
  rng = np.random.default_rng(seed)
  return {
    "root": jnp.asarray(rng.normal(size=(S, M, M)) / 2),
    "map": jnp.asarray(rng.normal(size=(M, M)) / 2),
    "shift": jnp.asarray(rng.normal(size=(S, M))),
  }


def convex_energy(theta, y):
  rooted = jnp.einsum("smk,sm->sk", theta["root"], y)
  curved = jnp.log(jnp.cosh(y @ theta["map"]))
  return jnp.sum(rooted**2 / 2 + y**2 / 2 + curved - theta["shift"] * y, axis=1)


def wavy_energy(y):
  return jnp.sum(jnp.sin(3 * y) + y**2 / 4, axis=1) + jnp.prod(y[:, :2], 1)


def solve(theta, *, start=0.0, learning_rate=0.05, momentum=0.6, **kwargs):
  return minimise(
    functools.partial(convex_energy, theta),
    jnp.full((S, M), start),
    learning_rate=learning_rate,
    momentum=momentum,
    **kwargs,
  )


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("tolerance", [0.0, 0.8])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_agrees_with_a_plain_loop(clip, tolerance, reduction):
  theta, steps, rate, momentum = convex(), 11, 0.05, 0.6
  slope = jax.grad(lambda y: jnp.sum(convex_energy(theta, y)))
  y, velocity = np.zeros((S, M)), np.zeros((S, M))
  squares, rests = [], 0
  for _ in range(steps):
    g = np.asarray(slope(jnp.asarray(y + momentum * velocity)))
    velocity = momentum * velocity - rate * g
    for s in range(S):
      if np.abs(g[s]).max() >= tolerance:
        y[s] += velocity[s]
      else:
        rests += 1
    if clip is not None:
      y = np.clip(y, -clip, clip)
    squares.append(getattr(np, reduction)(g**2, axis=1))

  result = solve(
    theta,
    num_steps=steps,
    clip=clip,
    gradient_tolerance=tolerance,
    aux_reduction=reduction,
    trace=True,
  )
  np.testing.assert_allclose(result.y, y, rtol=1e-12, atol=1e-12)
  np.testing.assert_allclose(result.aux_loss, np.mean(squares, 0), rtol=1e-12)
  np.testing.assert_allclose(result.max_norm, np.abs(g).max(1), rtol=1e-12)
  assert result.trace.energy.shape == (steps, S)
  np.testing.assert_allclose(result.trace.max_norm[-1], result.max_norm)
  assert result.trace.steps_taken.sum() == steps * S - rests
  assert (rests > 0) == (tolerance > 0)


def test_trace_changes_nothing_and_starts_at_the_start():
  theta = convex()
  plain = solve(theta, num_steps=5, start=0.3)
  traced = solve(theta, num_steps=5, start=0.3, trace=True)
  np.testing.assert_array_equal(plain.y, traced.y)
  assert plain.trace is None
  start = convex_energy(theta, jnp.full((S, M), 0.3))
  np.testing.assert_allclose(traced.trace.energy[0], start)
  if_mean = traced.trace.mean_square.mean(axis=0)
  np.testing.assert_allclose(traced.aux_loss, if_mean)


def test_a_projection_and_the_points_on_the_way():
  """Half of y is kept in a box; a learned start gets a gradient through it."""
  theta, steps, rate, momentum = convex(), 6, 0.05, 0.6
  slope = jax.grad(lambda y: jnp.sum(convex_energy(theta, y)))

  def project(y):
    return jnp.concatenate([y[:, :4], jnp.clip(y[:, 4:], -0.1, 0.2)], axis=1)

  y, velocity = np.full((S, M), 0.15), np.zeros((S, M))
  points = [y]
  for _ in range(steps):
    g = np.asarray(slope(jnp.asarray(y + momentum * velocity)))
    velocity = momentum * velocity - rate * g
    y = y + velocity
    y[:, 4:] = np.clip(y[:, 4:], -0.1, 0.2)
    points.append(y)

  def solved(start):
    return solve(
      theta,
      start=start,
      num_steps=steps,
      gradient_tolerance=0.0,
      project=project,
      iterates=True,
    )

  result = solved(0.15)
  np.testing.assert_allclose(result.iterates, points, rtol=1e-12, atol=1e-14)
  np.testing.assert_array_equal(result.iterates[-1], result.y)
  assert np.any(result.y[:, 4:] == 0.2) and np.any(result.y[:, :4] > 0.2)
  loss = jax.jit(lambda start: jnp.sum(solved(start).iterates ** 2))
  measured = (loss(0.15 + 1e-6) - loss(0.15 - 1e-6)) / 2e-6
  np.testing.assert_allclose(jax.grad(loss)(0.15), measured, rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_energy_does_not_increase_for_a_small_rate(momentum):
  y0 = jax.random.normal(jax.random.key(0), (S, M)) * 3
  result = minimise(
    wavy_energy,
    y0,
    learning_rate=1e-3,
    momentum=momentum,
    num_steps=500,
    trace=True,
  )
  assert (np.diff(result.trace.energy, axis=0) <= 0).all()
  assert (result.trace.energy[-1] < result.trace.energy[0] - 0.1).all()


@pytest.mark.parametrize("adjoint", ["unrolled", "implicit"])
def test_no_steps(adjoint):
  result = solve(convex(), num_steps=0, start=0.7, adjoint=adjoint, trace=True)
  np.testing.assert_array_equal(result.y, np.full((S, M), 0.7))
  np.testing.assert_array_equal(result.aux_loss, np.zeros(S))
  assert result.trace.energy.shape == (0, S)
  np.testing.assert_array_equal(result.trace.steps_taken, np.zeros(S))


def test_sets_do_not_influence_each_other():
  theta = convex()
  together = solve(theta, num_steps=9)
  for s in range(S):
    own = {
      "root": theta["root"][s : s + 1],
      "map": theta["map"],
      "shift": theta["shift"][s : s + 1],
    }
    alone = minimise(
      functools.partial(convex_energy, own),
      jnp.zeros((1, M)),
      learning_rate=0.05,
      momentum=0.6,
      num_steps=9,
    )
    np.testing.assert_allclose(alone.y[0], together.y[s], rtol=1e-12)
    np.testing.assert_allclose(alone.aux_loss[0], together.aux_loss[s])


def test_unrolled_gradient_is_the_slope():
  weights = np.random.default_rng(1).normal(size=(S, M))

  @jax.jit
  def loss(inputs):
    theta, y0, rate, momentum = inputs
    result = minimise(
      functools.partial(convex_energy, theta),
      y0,
      learning_rate=rate,
      momentum=momentum,
      num_steps=6,
    )
    return jnp.sum(result.y * weights) + jnp.sum(result.aux_loss)

  y0 = jnp.full((S, M), 0.2)
  inputs = (convex(), y0, jnp.asarray(0.05), jnp.asarray(0.6))
  gradient = jax.grad(loss)(inputs)
  leaves, structure = jax.tree.flatten(inputs)
  rng = np.random.default_rng(2)
  for i, slope in enumerate(jax.tree.leaves(gradient)):
    direction = rng.normal(size=np.shape(slope))

    def along(step, i=i, direction=direction):
      moved = [*leaves]
      moved[i] = moved[i] + step * direction
      return loss(structure.unflatten(moved))

    measured = (along(1e-6) - along(-1e-6)) / 2e-6
    np.testing.assert_allclose(np.sum(slope * direction), measured, rtol=1e-7)


def test_a_gradient_of_ones_own_is_used():
  theta, calls = convex(), []

  def gradient_fn(y):
    calls.append(1)
    return jax.grad(lambda y: jnp.sum(convex_energy(theta, y)))(y)

  expected = solve(theta, num_steps=4)
  result = solve(theta, num_steps=4, gradient_fn=gradient_fn)
  np.testing.assert_allclose(result.y, expected.y, rtol=1e-12)
  assert calls


def test_implicit_gradient_is_the_unrolled_one_at_convergence():
  weights = np.random.default_rng(3).normal(size=(S, M))

  def loss(theta, adjoint):
    result = solve(
      theta,
      num_steps=600,
      gradient_tolerance=0.0,
      adjoint=adjoint,
      solver_tolerance=1e-12,
    )
    return jnp.sum(result.y * weights), result

  theta = convex()
  slope = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)
  expected, at_end = slope(theta, "unrolled")
  gradient, result = slope(theta, "implicit")
  np.testing.assert_allclose(result.y, at_end.y, rtol=1e-12)
  assert result.max_norm.max() < 1e-10
  for name, value in expected.items():
    np.testing.assert_allclose(
      gradient[name], value, rtol=1e-11, atol=1e-14, err_msg=name
    )


def test_implicit_auxiliary_loss_is_that_of_the_last_point():
  theta = convex()

  @jax.jit
  def loss(theta):
    return jnp.sum(solve(theta, num_steps=3, adjoint="implicit").aux_loss)

  y = solve(theta, num_steps=3).y

  @jax.jit
  def held(theta):
    g = jax.grad(lambda y: jnp.sum(convex_energy(theta, y)))(y)
    return jnp.sum(jnp.mean(g**2, axis=1))

  np.testing.assert_allclose(loss(theta), held(theta), rtol=1e-12)
  gradient, expected = jax.grad(loss)(theta), jax.grad(held)(theta)
  for name, value in expected.items():
    np.testing.assert_allclose(gradient[name], value, rtol=1e-10)


def _memory(adjoint, num_steps, differentiate=True):
  def loss(theta):
    return jnp.sum(solve(theta, num_steps=num_steps, adjoint=adjoint).y)

  function = jax.grad(loss) if differentiate else loss
  compiled = jax.jit(function).lower(convex()).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_implicit_memory_does_not_grow_with_the_steps():
  assert _memory("implicit", 400) <= _memory("implicit", 10) + 64
  assert _memory("unrolled", 400) > 10 * _memory("unrolled", 10)


@pytest.mark.parametrize("adjoint", ["unrolled", "implicit"])
def test_inference_keeps_nothing(adjoint):
  few, many = (_memory(adjoint, steps, False) for steps in (10, 400))
  assert many <= few + 64


def test_conjugate_gradients_solve_each_set():
  rng = np.random.default_rng(4)
  root = rng.normal(size=(S, M, M))
  matrices = root @ root.transpose(0, 2, 1) + np.eye(M)
  b = rng.normal(size=(S, M))
  b[2] = 0  # Nothing to solve.
  scale = np.array([1, 1e-6, 1, 1e6, 1])[:, None]
  result = conjugate_gradients(
    lambda v: jnp.einsum("smk,sk->sm", matrices, v),
    jnp.asarray(b * scale),
    tolerance=1e-10,
  )
  expected = np.linalg.solve(matrices, (b * scale)[..., None])[..., 0]
  np.testing.assert_allclose(result.x / scale, expected / scale, rtol=1e-7)
  assert result.residual.shape == (S,)
  assert (result.residual <= 1e-10).all() and result.residual[2] == 0
  assert result.iterations <= 3 * M


def test_conjugate_gradients_report_what_they_did_not_solve():
  diagonal = jnp.stack([jnp.arange(1.0, M + 1), jnp.full(M, -1.0)])
  b = jnp.ones((2, M))
  short = conjugate_gradients(lambda v: diagonal * v, b, max_iterations=2)
  assert (short.residual > 1e-3).all()
  assert short.iterations == 2
  # No positive curvature: that set stops, the other goes on.
  full = conjugate_gradients(lambda v: diagonal * v, b)
  assert full.residual[0] < 1e-5 and full.residual[1] == 1


@pytest.mark.parametrize("iterations", [1, 50])
def test_an_implicit_solve_that_fails_is_reported(caplog, iterations):
  @jax.jit
  @jax.grad
  def slope(theta):
    result = solve(
      theta,
      num_steps=30,
      adjoint="implicit",
      solver_iterations=iterations,
    )
    return jnp.sum(result.y)

  with caplog.at_level(logging.WARNING):
    for _ in range(7):
      jax.block_until_ready(slope(convex()))
      jax.effects_barrier()
  reports = [record.getMessage() for record in caplog.records]
  if iterations == 50:
    assert not reports
  else:  # Rarer and rarer, so as not to drown a training log.
    assert [report.split("occurrence")[1] for report in reports] == [
      " 1).",
      " 2).",
      " 4).",
    ]
    assert all("5 of 5 sets did not reach" in report for report in reports)


@pytest.mark.parametrize(
  ("wrong", "message"),
  [
    ({"num_steps": -1}, "num_steps must not be negative, got -1"),
    ({"adjoint": "implict"}, "Did you mean 'implicit'"),
    (
      {"adjoint": "implicit", "clip": 2.0},
      "clip 2.0 is not supported",
    ),
    (
      {"adjoint": "implicit", "project": abs},
      "project is not supported with adjoint",
    ),
    (
      {"adjoint": "implicit", "iterates": True},
      "iterates is not supported with adjoint",
    ),
    ({"aux_reduction": "max"}, "Unknown aux_reduction 'max'"),
    ({"learning_rate": jnp.ones(M)}, "learning_rate must be a scalar"),
    ({"momentum": jnp.ones((S, 1))}, "momentum must be a scalar"),
  ],
)
def test_bad_input(wrong, message):
  with pytest.raises(ValueError, match=message):
    solve(convex(), **{"num_steps": 3, **wrong})


def test_bad_shapes():
  arguments = {"learning_rate": 0.1, "momentum": 0.9, "num_steps": 3}
  with pytest.raises(ValueError, match=r"y0 must be \[S, M\]"):
    minimise(wavy_energy, jnp.zeros(M), **arguments)
  with pytest.raises(ValueError, match="one number per set"):
    minimise(lambda y: jnp.sum(y), jnp.zeros((S, M)), **arguments)
