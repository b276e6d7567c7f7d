"""Readouts as pure functions, against Haiku."""

from __future__ import annotations

import functools
import pickle

import haiku as hk
import jax
import numpy as np
import pytest

from gnn_readout import functional
from tests import any_library

pytestmark = pytest.mark.usefixtures("double_precision")


@any_library.every_readout
def test_it_trains_as_in_haiku(name):
  case = any_library.case(name)
  elements, sets, targets = any_library.example()
  apply = functional.readout(name).apply

  def loss(params):
    x = elements @ params["embed"]
    pooled = apply(params["readout"], x, sets, is_training=True)
    return any_library.loss_of(pooled, params["head"], targets)

  losses = any_library.train(loss, case.params)
  np.testing.assert_allclose(losses, case.losses, rtol=1e-9)


@pytest.mark.parametrize("name", any_library.ALL)
def test_parameters_are_those_of_haiku(name):
  # One element of the width is enough to know them by, and there is no state.
  elements, sets, _ = any_library.example()

  def forward(elements, sets):
    return any_library.make_readout(name)(elements, sets, True)

  key = jax.random.key(1)
  with_state = hk.transform_with_state(forward).init
  params, state = jax.eval_shape(with_state, key, elements, sets)
  assert not state
  small = functional.example(any_library.WIDTH)
  own = jax.eval_shape(functional.readout(name).init, key, *small)
  assert own == params


def test_initial_values_are_those_of_haiku():
  elements, sets, _ = any_library.example()
  key = jax.random.key(5)
  own = functional.readout("attention", num_heads=2).init
  expected = any_library.haiku_readout("attention", num_heads=2).init
  own, expected = (jax.jit(f)(key, elements, sets) for f in (own, expected))
  jax.tree.map(np.testing.assert_array_equal, own, expected)


def test_keys_and_training():
  elements, sets, _ = any_library.example()
  keys = jax.random.key(2), jax.random.key(3)
  (first, params), (second, _) = map(any_library.drawn, keys)
  assert abs(first - second).max() > 1e-3
  apply = functional.readout(**any_library.DRAWS).apply
  train = jax.jit(functools.partial(apply, is_training=True))
  for key, expected in zip(keys, (first, second)):
    own = train(params, elements, sets, key=key).values
    np.testing.assert_allclose(own, expected, rtol=1e-12)
  with pytest.raises(ValueError, match="PRNGKey"):
    apply(params, elements, sets, is_training=True)
  transformed = any_library.haiku_readout(**any_library.DRAWS)
  still = jax.jit(lambda x: transformed.apply(params, None, x, sets, False))
  own = jax.jit(lambda x: apply(params, x, sets))(elements).values
  np.testing.assert_allclose(own, still(elements).values, rtol=1e-12)


@pytest.mark.parametrize(
  ("arguments", "is_random"),
  [
    (any_library.DRAWS, True),
    ({"name": "janossy"}, False),
    ({"name": "multi", "members": ["sum", any_library.DRAWS]}, True),
  ],
)
def test_what_draws_in_training(arguments, is_random):
  init, apply = functional.readout(**arguments)
  params = init(jax.random.key(0), *functional.example(3))
  assert functional.draws(apply, params, 3) == is_random


def test_equal_readouts_are_one_program():
  one, same = (functional.readout("moment", order=3) for _ in range(2))
  other = functional.readout("moment", order=2)
  assert one == same and hash(one) == hash(same) and one != other
  assert one.init != one.apply
  assert pickle.loads(pickle.dumps(one)) == one
  listed = [functional.readout("multi", members=["sum"]) for _ in range(2)]
  assert len({*listed}) == 1
  traces = []

  def pool(apply, elements, sets):
    traces.append(apply)
    return apply({}, elements, sets).values

  pool = jax.jit(pool, static_argnums=0)
  for pure in (one, same):
    pool(pure.apply, *any_library.example()[:2])
  assert len(traces) == 1


@pytest.mark.parametrize(
  ("name", "arguments", "message"),
  [
    ("atention", {}, "Did you mean 'attention'"),
    ("attention", {"num_head": 2}, "Did you mean 'num_heads'"),
    ("sum", {"output_size": 0}, "output_size must be positive, got 0"),
    ("janossy", {"reduction": "max"}, "reduction must be one of"),
  ],
)
def test_what_cannot_be_is_refused_at_once(name, arguments, message):
  with pytest.raises(ValueError, match=message):
    functional.readout(name, **arguments)
