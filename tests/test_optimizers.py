"""Schedules of the learning rate."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gnn_readout import optimizers


def _updates(schedule, num_steps, count=7):
  """Returns the steps that a constant gradient causes, one after another."""
  optimizer = optimizers.make_optimizer(0.1, schedule, 3, num_steps, 2)
  state, found = optimizer.init(jnp.zeros(())), []
  for _ in range(count):
    update, state = optimizer.update(jnp.ones(()), state)
    found.append(float(update))
  return found


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_the_length_of_a_run_matters_to_those_that_say_so(schedule):
  is_same = np.array_equal(_updates(schedule, 10), _updates(schedule, 20))
  assert is_same == (schedule not in optimizers.OF_LENGTH)


def _run(gradients, **options):
  """Parameters after every gradient, from the same start, and the state."""
  options = {
    "learning_rate": 0.1, "schedule": "constant", "warmup_steps": 0, **options
  }  # fmt: skip
  optimizer = optimizers.make_optimizer(num_steps=100, **options)
  params = _start()
  state, found = optimizer.init(params), []
  for gradient in gradients:
    updates, state = optimizer.update(gradient, state, params)
    params = optax.apply_updates(params, updates)
    found.append(params)
  return found, state


def _start():
  rng = np.random.default_rng(0)
  return {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}


def _gradients(count=6):
  rng = np.random.default_rng(1)
  return [
    {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    for _ in range(count)
  ]


def _assert_close(found, expected):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-10), found, expected
  )


@pytest.mark.parametrize("rate", [0.1, 0.003])
def test_weight_decay_is_that_of_torch(double_precision, rate):
  import torch

  start = _start()
  tensors = {k: torch.tensor(x, requires_grad=True) for k, x in start.items()}
  theirs = torch.optim.AdamW(tensors.values(), lr=rate, weight_decay=0.3)
  for gradient in _gradients():
    for name, tensor in tensors.items():
      tensor.grad = torch.tensor(gradient[name])
    theirs.step()
  found, _ = _run(_gradients(), learning_rate=rate, weight_decay=0.3)
  _assert_close(found[-1], {k: x.detach().numpy() for k, x in tensors.items()})


def test_nothing_that_is_off_is_part_of_the_optimizer():
  plain = optax.adam(0.1).init(_start())
  _, state = _run(_gradients())
  assert jax.tree.structure(state) == jax.tree.structure(plain)


def test_a_gradient_is_clipped_as_a_whole(double_precision):
  gradients = _gradients()
  clipped = []
  for g in gradients:
    norm = np.sqrt(sum(np.sum(x**2) for x in g.values()))
    assert norm > 0.7
    clipped.append({k: x * 0.7 / norm for k, x in g.items()})
  # Adam alone takes no notice of the size of all gradients.
  small = [{k: 0.01 * x for k, x in g.items()} for g in gradients[:1]]
  found, _ = _run(gradients + small, clip_norm=0.7)
  expected, _ = _run(clipped + small)
  _assert_close(found[-1], expected[-1])


def test_gradients_of_some_steps_are_one(double_precision):
  gradients = _gradients(7)
  means = [
    jax.tree.map(lambda *x: sum(x) / 3, *gradients[k : k + 3]) for k in (0, 3)
  ]
  options = {"schedule": "cosine", "warmup_steps": 4, "clip_norm": 0.5}
  found, _ = _run(gradients, accumulate_steps=3, **options)
  for k in (0, 1):
    _assert_close(found[k], _start())
  _assert_close(found[3], found[2])
  _assert_close(found[6], found[5])  # What is left waits.
  # The rates are those of the steps: 3 of 4 of the warm-up, then all.
  optimizer = [
    optimizers.make_optimizer(rate, "constant", 0, 1, clip_norm=0.5)
    for rate in (0.1 * 3 / 4, 0.1 * 0.5 * (1 + np.cos(np.pi * 3 / 100)))
  ]
  params, state = _start(), optimizer[0].init(_start())
  for one, mean in zip(optimizer, means):
    updates, state = one.update(mean, state, params)
    params = optax.apply_updates(params, updates)
  _assert_close(found[5], params)


@pytest.mark.parametrize("accumulate_steps", [1, 2])
def test_the_average_of_the_parameters(double_precision, accumulate_steps):
  decay, options = 0.8, {"accumulate_steps": accumulate_steps}
  plain, _ = _run(_gradients(), **options)
  found, state = _run(_gradients(), ema_decay=decay, **options)
  _assert_close(found, plain)
  after = plain[accumulate_steps - 1 :: accumulate_steps]
  weights = decay ** np.arange(len(after))[::-1]
  expected = {
    k: sum(w * p[k] for w, p in zip(weights, after)) / weights.sum()
    for k in ("w", "b")
  }
  _assert_close(optimizers.averaged(state, None), expected)


def test_before_an_update_the_average_is_what_it_begins_with():
  first, state = _run(_gradients(1), ema_decay=0.9, accumulate_steps=2)
  _assert_close(optimizers.averaged(state, None), first[0])
  other = jax.tree.map(lambda x: x + 1, first[0])
  state = optimizers.with_average(state, other)
  _assert_close(optimizers.averaged(state, None), other)
  plain = _run(_gradients(1))[1]
  assert optimizers.averaged(plain, other) is other


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("patience", [0, 2, 3])
def test_plateaus_are_those_of_torch(sign, patience):
  import torch

  scores = np.round(np.random.default_rng(patience).normal(size=60), 1)
  theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e6)
  scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
    theirs,
    mode="max" if sign > 0 else "min",
    factor=0.7,
    patience=patience,
    threshold=0.0,
    eps=0.0,
  )
  fields = {"plateau_factor": 0.7, "plateau_patience": patience}
  theirs.step()
  for k, score in enumerate(scores):
    scheduler.step(score)
    found = optimizers.rate_factor(fields, scores[: k + 1], sign)
    expected = theirs.param_groups[0]["lr"] / 1e6
    np.testing.assert_allclose(found, expected, rtol=1e-12)
  assert found < 0.7**5


def test_a_member_has_its_own_rate_and_factor(double_precision):
  fields = {"learning_rate": 0.2, "schedule": "plateau"}
  hyper = {optimizers.RATE_FACTOR: jnp.asarray(0.25)}
  optimizer = optimizers.of_member(fields, hyper, 100)
  updates, _ = optimizer.update(_gradients()[0], optimizer.init(_start()))
  signs = jax.tree.map(np.sign, _gradients()[0])
  _assert_close(
    jax.tree.map(np.round, jax.tree.map(lambda x: -x / 0.05, updates)), signs
  )
