"""Readouts as modules of Flax, NNX and Linen, against Haiku."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from flax import linen, nnx

from gnn_readout.flax import LinenReadout, Readout
from tests import any_library

pytestmark = pytest.mark.usefixtures("double_precision")


class Model(nnx.Module):
  def __init__(self, name, rngs):
    width = any_library.WIDTH
    self.embed = nnx.Linear(width, width, use_bias=False, rngs=rngs)
    self.readout = Readout(name, width, rngs=rngs)
    self.head = nnx.Param(any_library.case(name).params["head"])

  def __call__(self, elements, sets):
    return self.readout(self.embed(elements), sets)


class LinenModel(linen.Module):
  name_of_readout: str

  @linen.compact
  def __call__(self, elements, sets, is_training):
    width = any_library.WIDTH
    x = linen.Dense(width, use_bias=False, name="embed")(elements)
    return LinenReadout(self.name_of_readout, name="pool")(x, sets, is_training)


@any_library.every_readout
def test_nnx_trains_as_in_haiku(name):
  params = any_library.case(name).params
  model = Model(name, nnx.Rngs(0))
  nnx.update(
    model,
    {
      "embed": {"kernel": params["embed"]},
      "readout": {"params": params["readout"]},
    },
  )
  elements, sets, targets = any_library.example()
  optimizer = nnx.Optimizer(model, any_library.optimizer(), wrt=nnx.Param)

  @nnx.jit
  def step(model, optimizer):
    def loss(model):
      pooled = model(elements, sets)
      return any_library.loss_of(pooled, model.head[...], targets)

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value

  losses = [step(model, optimizer) for _ in range(any_library.STEPS)]
  expected = any_library.case(name).losses
  np.testing.assert_allclose(losses, expected, rtol=1e-9)


@any_library.every_readout
def test_linen_trains_as_in_haiku(name):
  params = any_library.case(name).params
  elements, sets, targets = any_library.example()
  model = LinenModel(name)
  own = {"embed": {"kernel": params["embed"]}}
  if params["readout"]:
    own["pool"] = {"readout": params["readout"]}
  drawn = jax.eval_shape(
    lambda key: model.init(key, elements, sets, True), jax.random.key(0)
  )
  shapes = jax.tree.map(np.shape, {"pool": {"readout": {}}, **own})
  assert jax.tree.map(np.shape, drawn["params"]) == shapes

  def loss(params):
    given = {"params": {"pool": {"readout": {}}, **params["own"]}}
    pooled = model.apply(given, elements, sets, True)
    return any_library.loss_of(pooled, params["head"], targets)

  losses = any_library.train(loss, {"own": own, "head": params["head"]})
  expected = any_library.case(name).losses
  np.testing.assert_allclose(losses, expected, rtol=1e-9)


def test_nnx_keys_and_training():
  elements, sets, _ = any_library.example()
  _, params = any_library.drawn(jax.random.key(2))
  pool = Readout(
    width=any_library.WIDTH, rngs=nnx.Rngs(0, dropout=7), **any_library.DRAWS
  )
  nnx.update(pool, {"params": params})
  stream = nnx.Rngs(0, dropout=7)["dropout"].fork()
  run = nnx.jit(lambda pool: pool(elements, sets).values)
  for _ in range(2):  # Another key for each call.
    expected, _ = any_library.drawn(stream())
    np.testing.assert_allclose(run(pool), expected, rtol=1e-12)
  pool.eval()
  still = run(pool)
  assert abs(still - expected).max() > 1e-3
  np.testing.assert_array_equal(run(pool), still)
  pool.train()
  explicit = nnx.jit(lambda x: x(elements, sets, deterministic=True).values)
  np.testing.assert_allclose(explicit(pool), still, rtol=1e-12)


def test_nnx_holds_no_key_that_it_does_not_need():
  pool = Readout("attention", 8, rngs=nnx.Rngs(0))
  _, params, rest = nnx.split(pool, nnx.Param, ...)
  assert jax.tree.leaves(params) and not jax.tree.leaves(rest)
  # So it may be closed over, as a linear layer may be.
  jax.jit(lambda x: pool(x, any_library.example()[1]).values)(np.ones((17, 8)))


def test_linen_keys_and_training():
  elements, sets, _ = any_library.example()
  _, params = any_library.drawn(jax.random.key(2))
  name, *arguments = any_library.DRAWS.values()
  pool = LinenReadout(name, dict(num_partners=arguments[0]))
  given = {"params": {"readout": params}}

  @functools.partial(jax.jit, static_argnums=1)
  def run(seed, is_training=True):
    keys = {"dropout": jax.random.key(seed)}
    return pool.apply(given, elements, sets, is_training, rngs=keys).values

  np.testing.assert_array_equal(run(1), run(1))
  assert abs(run(1) - run(2)).max() > 1e-3
  np.testing.assert_array_equal(run(1, False), run(2, False))
  with pytest.raises(ValueError, match="PRNGKey"):
    pool.apply(given, elements, sets, True)
