"""A model in which a readout trains, in Haiku: what other libraries must do.

    loss = mean_s (values_s . head - target_s)^2 + sum_s aux_loss_s

The elements are x embed, and five steps of gradient descent follow.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gnn_readout.graphs import Edges, make_sets
from gnn_readout.readouts import (
  OF_GRAPHS,
  ORDER_DEPENDENT,
  READOUTS,
  make_readout,
)

WIDTH = 4
STEPS = 5
# Drawn from in training, where the table's own arguments draw nothing.
DRAWS = {"name": "janossy", "num_partners": 2}
ALL = sorted(READOUTS | ORDER_DEPENDENT | OF_GRAPHS)
# One of each kind of parameters; the others are as these and take minutes.
_FEW = ("attention", "equilibrium", "multi", "pna")

every_readout = pytest.mark.parametrize(
  "name",
  [
    pytest.param(
      name,
      marks=[
        pytest.mark.xdist_group(name),
        *([] if name in _FEW else [pytest.mark.slow]),
      ],
    )
    for name in ALL
  ],
)


class Case(NamedTuple):
  """What a readout does in Haiku.

  Attributes:
    params: Of the model, `embed` [D, D], `head` [D] and `readout`.
    losses: Of the steps.
  """

  params: dict[str, Any]
  losses: list[float]


def example():
  """Returns elements, sets and targets: five graphs, one of them empty."""
  rng = np.random.default_rng(3)
  elements = jnp.asarray(rng.normal(size=(17, WIDTH)))
  sets = make_sets(jnp.array([5, 0, 1, 7, 2]), 17)
  senders = jnp.array([0, 1, 3, 6, 7, 13])
  receivers = jnp.array([1, 0, 4, 7, 8, 14])
  edges = Edges(senders, receivers, jnp.ones(6, bool))
  sets = dataclasses.replace(sets, edges=edges)
  return elements, sets, jnp.asarray(rng.normal(size=5))


def optimizer() -> optax.GradientTransformation:
  return optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1e-2))


def loss_of(aggregate, head, targets):
  """Returns the loss; `head` is the vector or what maps values to outputs."""
  outputs = (
    head(aggregate.values) if callable(head) else aggregate.values @ head
  )
  error = jnp.mean((outputs.reshape(-1) - targets) ** 2)
  return error + jnp.sum(aggregate.aux_loss)


def haiku_readout(name, **arguments) -> hk.Transformed:
  return hk.transform(
    lambda x, sets, is_training=True: make_readout(name, **arguments)(
      x, sets, is_training
    )
  )


def train(loss, params):
  """Returns the losses of STEPS steps of a loss of parameters."""
  descent = optimizer()

  @jax.jit
  def step(params, state):
    value, gradients = jax.value_and_grad(loss)(params)
    updates, state = descent.update(gradients, state)
    return optax.apply_updates(params, updates), state, value

  state, losses = descent.init(params), []
  for _ in range(STEPS):
    params, state, value = step(params, state)
    losses.append(float(value))
  return losses


@functools.cache
def case(name: str) -> Case:
  elements, sets, targets = example()
  transformed = haiku_readout(name)
  rng = np.random.default_rng(7)
  params = {
    "embed": jnp.asarray(rng.normal(size=(WIDTH, WIDTH)) / 2),
    "readout": jax.jit(transformed.init)(jax.random.key(1), elements, sets),
  }
  width = jax.eval_shape(
    transformed.apply, params["readout"], None, elements, sets
  ).values.shape[1]
  params["head"] = jnp.asarray(rng.normal(size=width))

  def loss(params):
    x = elements @ params["embed"]
    pooled = transformed.apply(params["readout"], None, x, sets)
    return loss_of(pooled, params["head"], targets)

  losses = train(loss, params)
  assert losses[-1] < losses[0] and np.isfinite(losses).all()
  return Case(params, losses)


def drawn(key):
  """Returns what DRAWS gives in Haiku with this key, and its parameters."""
  elements, sets, _ = example()
  transformed = haiku_readout(**DRAWS)
  params = jax.jit(transformed.init)(jax.random.key(1), elements, sets)
  return jax.jit(transformed.apply)(params, key, elements, sets).values, params
