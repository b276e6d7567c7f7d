"""One training step: loss, gradient, randomness, faults."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jraph
import ml_collections
import numpy as np
import optax
import pytest

from gnn_readout import models, optimizers
from gnn_readout.models import Model, Output
from gnn_readout.tasks import GraphProperty
from gnn_readout.training import step as step_lib


def _apply(params, state, key, batch, is_training):
  """A model with dropout on its logits, a running sum and a loss of its own."""
  assert is_training
  logits = batch.nodes @ params["w"]  # [G, T]
  keep = jax.random.bernoulli(key, 0.5, logits.shape)
  aux = jnp.square(batch.nodes[:, 0] - params["w"].sum())
  # Padding must not count, whatever it holds.
  aux = jnp.where(batch.globals["mask"], aux, 1e6)
  state = {"sum": state["sum"] + 1}
  return Output(logits * keep, aux, {"diagnostic": logits.max()}), state


def _init(key, batch):
  width, tasks = batch.nodes.shape[1], batch.globals["labels"].shape[1]
  params = {"w": 0.1 * jax.random.normal(key, (width, tasks))}
  return params, {"sum": jnp.zeros(())}


MODEL = Model(_init, _apply)
HYPER = {"optimizer.learning_rate": 0.01}


def _functions(model=MODEL):
  """Those of a graph property, with this model."""
  config = ml_collections.ConfigDict(
    {
      "model": {},
      "optimizer": {
        "learning_rate": 0.01,
        "schedule": "constant",
        "warmup_steps": 0,
      },
    }
  )
  problem = object.__new__(GraphProperty)
  problem.config, problem.schema = config, _Schema
  problem.num_steps, problem.epoch_steps = 100, 10
  functions = problem.functions()
  patched = {
    x: _patched(getattr(functions, x), model) for x in ("init", "loss")
  }
  return functions._replace(**patched)


def _patched(function, model):
  """The function, in which this model is built whenever it is traced."""

  def patched(*args):
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(models, "build_model", lambda *unused: model)
      return function(*args)

  return patched


class _Schema:
  task_type = "binary"


def _batch(graphs=7):
  rng = np.random.default_rng(0)
  width, tasks = 3, 2
  mask = np.arange(graphs) < 5
  labels = rng.integers(0, 2, (graphs, tasks)).astype(np.float32)
  labels[~mask] = np.nan
  return jraph.GraphsTuple(
    nodes=rng.normal(size=(graphs, width)).astype(np.float32),
    edges=None,
    senders=None,
    receivers=None,
    n_node=np.ones(graphs, np.int32),
    n_edge=np.zeros(graphs, np.int32),
    globals={"labels": labels, "mask": mask},
  )


def _start(model=MODEL):
  """Returns the jitted step on a batch, and the state before the first."""
  functions = _functions(model)
  state = step_lib.make_init(_functions())(HYPER, 3, _batch())
  step = step_lib.make_step(functions)

  def on_batch(state, batch):
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    return step(HYPER, state, key, batch)

  return jax.jit(on_batch), state


def test_one_step_is_adam_on_loss_plus_mean_auxiliary_loss():
  step, state = _start()
  params, batch = state.params, _batch()
  key = jax.random.fold_in(jax.random.wrap_key_data(state.key), 0)

  def objective(params):
    output, _ = _apply(params, {"sum": 0}, key, batch, True)
    labels, logits = batch.globals["labels"][:5], output.logits[:5]
    loss = optax.sigmoid_binary_cross_entropy(logits, labels).mean()
    return loss + output.aux_loss[:5].mean(), (loss, output.aux_loss[:5].mean())

  grads, (loss, aux) = jax.grad(objective, has_aux=True)(params)
  # The first step of Adam is the learning rate times the sign.
  expected = params["w"] - 0.01 * np.sign(grads["w"])
  norm = np.sqrt(np.sum(np.square(grads["w"])))

  state, values = step(state, batch)

  np.testing.assert_allclose(state.params["w"], expected, rtol=1e-5)
  np.testing.assert_allclose(values["loss"], loss, rtol=1e-5)
  np.testing.assert_allclose(values["aux"], aux, rtol=1e-5)
  np.testing.assert_allclose(values["grad_norm"], norm, rtol=1e-5)
  assert set(values) == {"loss", "aux", "grad_norm", "diagnostic"}
  assert int(state.step) == 1
  assert float(state.model_state["sum"]) == 1


def test_sums_are_those_of_the_scalars_of_all_steps():
  step, state = _start()
  total = dict.fromkeys(state.sums, 0.0)
  assert set(total) == {"loss", "aux", "grad_norm", "diagnostic"}
  for _ in range(3):
    state, values = step(state, _batch())
    total = {name: x + float(values[name]) for name, x in total.items()}
  for name, x in total.items():
    np.testing.assert_allclose(state.sums[name], x, rtol=1e-6)


def test_randomness_follows_from_seed_and_step_alone():
  step, start = _start()

  def losses():
    state, values = start, []
    for _ in range(4):
      state, value = step(state, _batch())
      values.append(float(value["loss"]))
      # The same parameters every time: only the dropout differs.
      state = state._replace(params=start.params)
    return values

  assert losses() == losses()
  assert len(set(losses())) == 4


def test_a_batch_spread_over_two_devices_gives_the_same():
  mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])
  whole = jax.NamedSharding(mesh, jax.P())
  half = jax.NamedSharding(mesh, jax.P("data"))
  step, alone = _start()
  batch = _batch(graphs=8)
  spread = jax.device_put(alone, whole)
  for _ in range(3):
    alone, _ = step(alone, batch)
    spread, _ = step(spread, jax.device_put(batch, half))
  np.testing.assert_allclose(spread.params["w"], alone.params["w"], rtol=1e-5)


@pytest.mark.parametrize("name", step_lib.QUANTITIES.values())
def test_a_step_that_is_not_finite_is_not_done_nor_any_after_it(name):
  def apply(params, state, key, batch, is_training):
    output, new_state = _apply(params, state, key, batch, is_training)
    is_bad = state["sum"] >= 2  # From the third step on.
    logits, aux = output.logits, output.aux_loss
    if name == "loss":
      logits = jnp.where(is_bad, jnp.nan, logits)
    elif name == "auxiliary loss":
      aux = jnp.where(is_bad, jnp.inf, aux)
    else:  # sqrt at 0 is finite, its derivative is not.
      zero = jnp.where(is_bad, params["w"][0, 0] * 0, 1.0)
      aux = aux + jnp.sqrt(zero)
    return output._replace(logits=logits, aux_loss=aux), new_state

  step, state = _start(Model(_init, apply))
  for _ in range(2):
    state, _ = step(state, _batch())
  assert step_lib.fault_of(state.fault) == ""
  after = state
  for _ in range(3):
    after, _ = step(after, _batch())
  expected = f"the {name} was not finite at step 3"
  assert step_lib.fault_of(after.fault) == expected
  jax.tree.map(
    np.testing.assert_array_equal, after._replace(fault=state.fault), state
  )


@pytest.mark.parametrize(
  ("schedule", "warmup", "expected"),
  [
    ("constant", 0, [2.0, 2.0, 2.0, 2.0]),
    ("constant", 2, [1.0, 2.0, 2.0, 2.0]),
    ("cosine", 0, [2.0, 1 + np.sqrt(0.5), 1.0, 1 - np.sqrt(0.5)]),
    ("cosine", 4, [0.5, (1 + np.sqrt(0.5)) / 2, 0.75, 1 - np.sqrt(0.5)]),
  ],
)
def test_learning_rate_of_each_step(schedule, warmup, expected):
  optimizer = optimizers.make_optimizer(2.0, schedule, warmup, num_steps=4)
  params = {"w": jnp.zeros(())}
  state = optimizer.init(params)
  rates = []
  for _ in range(4):
    # Adam moves by the learning rate while the gradient stays the same.
    update, state = optimizer.update({"w": jnp.ones(())}, state, params)
    rates.append(-float(update["w"]))
  np.testing.assert_allclose(rates, expected, rtol=1e-4)


def test_halving_counts_epochs():
  optimizer = optimizers.make_optimizer(
    2.0, "halving", 0, num_steps=9, steps_per_epoch=3
  )
  params = {"w": jnp.zeros(())}
  update = jax.jit(optimizer.update)
  state, rates = optimizer.init(params), []
  for _ in range(302):
    values, state = update({"w": jnp.ones(())}, state, params)
    rates.append(-float(values["w"]))
  expected = np.repeat([2.0, 1.0, 0.5], [150, 150, 2])
  np.testing.assert_allclose(rates, expected, rtol=1e-3)
