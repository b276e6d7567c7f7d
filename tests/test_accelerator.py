"""What an accelerator computes is what the CPU beside it computes.

`make gpu` runs these; where JAX sees a CPU alone they are skipped.
"""

from __future__ import annotations

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import molpcba
from gnn_readout import models
from gnn_readout.data import batches
from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS, make_readout

pytestmark = pytest.mark.gpu

SIZES = (7, 0, 1, 40, 2)
WIDTH = 12


@pytest.fixture
def devices():
  """Returns the first accelerator and the CPU."""
  first = jax.devices()[0]
  if first.platform == "cpu":
    pytest.skip("JAX sees no accelerator here")
  return first, jax.devices("cpu")[0]


def on_both(devices, function, *arguments):
  """Returns what a function gives on each device, as numpy arrays."""
  with jax.default_matmul_precision("highest"):
    return [
      jax.device_get(jax.jit(function)(*jax.device_put(arguments, device)))
      for device in devices
    ]


def assert_close(ours, expected, tolerance=1e-4):
  for a, b in zip(
    jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True
  ):
    scale = max(float(np.max(np.abs(b), initial=0)), 1.0)
    np.testing.assert_allclose(a, b, atol=tolerance * scale, rtol=tolerance)


@pytest.mark.parametrize("name", sorted(READOUTS))
def test_readouts(devices, name):
  elements = np.random.default_rng(0).normal(size=(sum(SIZES) + 6, WIDTH))
  elements = jnp.asarray(elements, jnp.float32)
  sets = make_sets(np.array(SIZES), len(elements))
  pool = hk.transform(
    lambda x, sets: make_readout(name, output_size=WIDTH)(x, sets).values
  )
  params = pool.init(jax.random.key(1), elements, sets)

  def value_and_slope(params, elements, sets):
    def loss(elements):
      values = pool.apply(params, jax.random.key(2), elements, sets)
      return jnp.sum(jnp.sin(values)), values

    return jax.grad(loss, has_aux=True)(elements)

  assert_close(*on_both(devices, value_and_slope, params, elements, sets))


@pytest.mark.parametrize("model", ["gcn,sum", "gin,sum", "gcn,equilibrium"])
def test_gradients_of_models(devices, make_store, model):
  store = make_store()
  config = molpcba.get_config(model)
  config.model.message_passing.update(width=24, num_layers=3, dropout=0.0)
  graphs = np.arange(40)
  models.complete_config(
    config.model, store.num_nodes, lambda: store.in_degrees(graphs)
  )
  config.batching.batch_size = 32
  store = dataclasses.replace(
    store, splits={name: graphs for name in ("train", "valid", "test")}
  )
  plan = batches.make_plan(store, "train", **config.batching, seed=0)
  stream = batches.train_batches(plan)
  batch = next(stream).batch
  stream.close()
  built = models.build_model(config.model, store.schema)
  params, state = built.init(jax.random.key(0), batch)

  def gradient(params, state, batch):
    def loss(params):
      output, _ = built.apply(params, state, jax.random.key(1), batch, True)
      mask = batch.globals["mask"][:, None]
      return jnp.sum(jnp.where(mask, jnp.sin(output.logits), 0))

    return jax.value_and_grad(loss)(params)

  assert_close(*on_both(devices, gradient, params, state, batch), 1e-3)
