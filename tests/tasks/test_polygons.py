"""Polygons, their task and what it learns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import polygons as config_lib
from gnn_readout.tasks import TASKS, polygons
from gnn_readout.tasks.set_losses import SET_LOSSES

N = 5


def config(variant="fspool,direct", **changes):
  config = config_lib.get_config(variant)
  config.update_from_flattened_dict({"num_points": N, **changes})
  return config.to_dict()


@pytest.fixture(scope="module")
def start():
  """The task of FSPool and the direct loss, parameters, and a batch."""
  task = polygons.make_task(config())
  params = jax.jit(task.init)(jax.random.key(0))
  return task, params, task.sample(jax.random.key(1))


def test_points_of_the_circle():
  got = polygons.polygons(jnp.array([[0, np.pi / 2], [np.pi, np.pi / 6]]))
  wanted = [[[1, 0], [0, 1]], [[-1, 0], [3**0.5 / 2, 0.5]]]
  np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_a_draw_is_regular_polygons_in_any_order():
  batch = np.asarray(polygons.draw_polygons(jax.random.key(0), 31, N))
  assert batch.shape == (31, N, 2)
  np.testing.assert_allclose(np.linalg.norm(batch, axis=-1), 1, atol=1e-6)
  angles = np.arctan2(batch[..., 1], batch[..., 0])
  gaps = np.diff(np.sort(angles, axis=1), axis=1)
  np.testing.assert_allclose(gaps, 2 * np.pi / N, atol=1e-5)
  # Rotations and orders are each set's own; there are 5! orders.
  assert len({round(float(a), 4) for a in angles.min(1)}) == 31
  assert len({tuple(order) for order in np.argsort(angles, axis=1)}) > 20


def test_spread_rotations_are_one_for_each_part_of_the_circle():
  batch = polygons.draw_polygons(jax.random.key(1), 101, 1, is_spread=True)
  x, y = np.asarray(batch, np.float64)[:, 0].T
  parts = np.floor(np.arctan2(y, x) / (2 * np.pi) % 1 * 101)
  np.testing.assert_array_equal(parts, np.arange(101))


@pytest.mark.parametrize("is_spread", [False, True])
def test_a_guess_is_as_far_off_as_chance_has_it(is_spread):
  # The mean of 1 - cos(t) for t ~ U(0, pi / n), and of all angles for rows.
  target = polygons.draw_polygons(jax.random.key(2), 997, N, is_spread)
  guess = polygons.polygons(2 * jnp.pi * jnp.arange(N) / N)
  guess = jnp.broadcast_to(guess, target.shape)
  error = 1 - np.sin(np.pi / N) / (np.pi / N)
  tolerance = 0.005 if is_spread else 0.1
  got = {name: loss(guess, target).mean() for name, loss in SET_LOSSES.items()}
  np.testing.assert_allclose(got["hungarian"], error, rtol=tolerance)
  np.testing.assert_allclose(got["chamfer"], 2 * error, rtol=tolerance)
  np.testing.assert_allclose(got["direct"], 1, rtol=0.05)


def test_the_direct_loss_does_not_depend_on_the_order(start):
  task, params, batch = start
  assert batch.shape == (16, N, 2)
  orders = np.random.default_rng(0).permuted(
    np.tile(np.arange(N), (16, 1)), axis=1
  )
  shuffled = np.take_along_axis(np.asarray(batch), orders[..., None], axis=1)
  loss = jax.jit(lambda batch: task.loss(params, jax.random.key(2), batch)[0])
  assert not np.array_equal(shuffled, batch)
  np.testing.assert_allclose(loss(shuffled), loss(batch), rtol=1e-5)


@pytest.mark.parametrize(
  "variant", ["fspool,direct", "mlp,chamfer", "mlp,hungarian,max"]
)
def test_gradients_are_finite_and_reach_every_parameter(variant):
  task = TASKS["polygons"](config(variant))
  params = jax.jit(task.init)(jax.random.key(0))
  gradient, _ = jax.jit(jax.grad(task.loss, has_aux=True))(
    params, jax.random.key(1), task.sample(jax.random.key(2))
  )
  for x in jax.tree.leaves(gradient):
    assert np.isfinite(x).all() and np.any(x)


def test_evaluation_gives_all_losses_of_other_polygons(start):
  task, params, _ = start
  batch = task.sample_valid(jax.random.key(1))
  both = jax.jit(lambda p, x: (task.evaluate(p, x), task.loss(p, None, x)[0]))
  scores, loss = both(params, batch)
  assert set(scores) == set(SET_LOSSES) and task.metric in scores
  assert task.lower_is_better
  # No assignment is better than the best one.
  assert 0 < scores["hungarian"] <= scores["direct"]
  np.testing.assert_allclose(scores["direct"], loss, rtol=1e-5)
  other = task.sample_test(jax.random.key(2))
  assert other.shape == batch.shape and not np.array_equal(other, batch)


def test_the_auto_encoder_learns_in_a_few_steps(start):
  task, params, _ = start
  optimizer = optax.adam(0.01)

  def step(carry, key):
    params, state = carry
    (loss, _), gradient = jax.value_and_grad(task.loss, has_aux=True)(
      params, key, task.sample(key)
    )
    updates, state = optimizer.update(gradient, state)
    return (optax.apply_updates(params, updates), state), loss

  keys = jax.random.split(jax.random.key(1), 300)
  carry = params, optimizer.init(params)
  losses = jax.jit(lambda c, k: jax.lax.scan(step, c, k)[1])(carry, keys)
  # Far below 0.0645, what a guess is off even in its best order.
  assert losses[:5].mean() > 0.2 and losses[-20:].mean() < 0.005


def test_the_knots_are_described(start):
  _, params, _ = start
  wanted = np.asarray(params["~"]["fspool_knots"])
  assert wanted.shape == (20, 16)
  knots = polygons.describe(params)["fspool_knots"]
  np.testing.assert_allclose(knots, wanted.T, atol=5.1e-5)
  assert all(w == round(w, 4) for row in knots for w in row)
  wide = {"~": {"fspool_knots": np.ones((3, 37))}}
  assert np.shape(polygons.describe(wide)["fspool_knots"]) == (32, 3)


def test_without_an_fspool_nothing_is_described():
  task = polygons.make_task(config("mlp,chamfer,mean"))
  assert polygons.describe(jax.eval_shape(task.init, jax.random.key(0))) == {}


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_points": 1}, "num_points must be at least 2, got 1"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"loss": "chamber"}, "unknown loss 'chamber'.*'chamfer'"),
    ({"model.width": 0}, "model.width must be at least 1"),
  ],
)
def test_impossible_tasks_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    polygons.make_task(config(**changes))
