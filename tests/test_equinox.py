"""Readouts as modules of Equinox, against Haiku."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.equinox import Readout
from tests import any_library

pytestmark = pytest.mark.usefixtures("double_precision")


class Model(eqx.Module):
  embed: eqx.nn.Linear
  readout: Readout
  head: jax.Array

  def __call__(self, elements, sets):
    return self.readout(jax.vmap(self.embed)(elements), sets)


def _model(name) -> Model:
  """Returns a model with the parameters of Haiku's."""
  params = any_library.case(name).params
  width = any_library.WIDTH
  key = jax.random.key(0)
  embed = eqx.nn.Linear(width, width, use_bias=False, key=key)
  embed = eqx.tree_at(lambda x: x.weight, embed, params["embed"].T)
  readout = Readout(name, width, key=key)
  own, expected = map(jax.tree.structure, (readout.params, params["readout"]))
  assert own == expected
  if own.num_leaves:
    readout = eqx.tree_at(lambda x: x.params, readout, params["readout"])
  return Model(embed, readout, params["head"])


@any_library.every_readout
def test_it_trains_as_in_haiku(name):
  model, optimizer = _model(name), any_library.optimizer()
  elements, sets, targets = any_library.example()

  @eqx.filter_jit
  def step(model, state):
    def loss(model):
      return any_library.loss_of(model(elements, sets), model.head, targets)

    value, gradients = eqx.filter_value_and_grad(loss)(model)
    updates, state = optimizer.update(gradients, state)
    return eqx.apply_updates(model, updates), state, value

  state, losses = optimizer.init(eqx.filter(model, eqx.is_inexact_array)), []
  for _ in range(any_library.STEPS):
    model, state, value = step(model, state)
    losses.append(value)
  expected = any_library.case(name).losses
  np.testing.assert_allclose(losses, expected, rtol=1e-9)


def test_keys_and_inference():
  elements, sets, _ = any_library.example()
  key = jax.random.key(2)
  expected, params = any_library.drawn(key)
  pool = Readout(width=any_library.WIDTH, key=key, **any_library.DRAWS)
  pool = eqx.tree_at(lambda x: x.params, pool, params)
  own = eqx.filter_jit(pool)(elements, sets, key=key).values
  np.testing.assert_allclose(own, expected, rtol=1e-12)
  with pytest.raises(ValueError, match="PRNGKey"):
    pool(elements, sets)
  run = eqx.filter_jit(
    lambda pool, **given: pool(elements, sets, **given).values
  )
  still = run(eqx.nn.inference_mode(pool))
  assert abs(still - expected).max() > 1e-3
  explicit = run(pool, inference=True)
  np.testing.assert_array_equal(explicit, still)


def test_ensembles_and_files(tmp_path):
  make = lambda key: Readout("sum", any_library.WIDTH, key=key, output_size=3)
  many = eqx.filter_vmap(make)(jax.random.split(jax.random.key(0), 3))
  elements, sets, _ = any_library.example()
  pool = eqx.filter_vmap(
    lambda one: one(elements, sets).values,
    in_axes=eqx.if_array(0),
  )
  assert pool(many).shape == (3, 5, 3)
  one, other = make(jax.random.key(0)), make(jax.random.key(1))
  eqx.tree_serialise_leaves(tmp_path / "readout.eqx", one)
  same = eqx.tree_deserialise_leaves(tmp_path / "readout.eqx", other)
  assert eqx.tree_equal(one, same) and not eqx.tree_equal(one, other)
  assert jax.tree.all(jax.tree.map(jnp.array_equal, same, one))
