"""The readout against a loop over sets, and where it is simpler."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.permutation import Permutation
from tests.readouts import ragged

WIDTH = 3


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def literal(params, steps, x):
  """One set: the order by loops of matrices, the LSTM gate by gate."""
  prefix = "permutation"
  n = len(x)
  first, second, last = (
    params[f"{prefix}/~aggregate/costs_{name}"]
    for name in ("first", "second", "last")
  )
  f = (x @ first["w"] + first["b"])[:, None] + (x @ second["w"])[None]
  f = np.maximum(f, 0) @ last["w"][:, 0]
  costs = f - f.T
  costs = costs / max(np.linalg.norm(costs), 1e-10)
  sign = np.sign(np.arange(n)[:, None] - np.arange(n))

  def stochastic(logits):
    p = np.exp(logits)
    for _ in range(4):
      p = p / p.sum(1, keepdims=True)
      p = p / p.sum(0, keepdims=True)
    return p

  logits = np.zeros((n, n))
  for _ in range(steps):
    slope = 2 * costs @ stochastic(logits) @ sign
    logits = logits - abs(params[prefix]["rate"]) * slope
  linear = params[f"{prefix}/~_read/lstm/linear"]
  hidden = cell = np.zeros(WIDTH)
  for z in stochastic(logits).T @ x:
    gates = np.concatenate([z, hidden]) @ linear["w"] + linear["b"]
    i, g, f, o = np.split(gates, 4)
    cell = sigmoid(f + 1) * cell + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
  return cell


@pytest.mark.parametrize("steps", [0, 3])
def test_against_a_loop(steps):
  make = functools.partial(Permutation, steps, output_size=WIDTH)
  elements = ragged.example()
  params = ragged.random_parameters(make, elements)
  got = ragged.pool(make, elements, params)
  wanted = ragged.each(functools.partial(literal, params, steps), elements)
  np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-11)


def test_equal_elements_have_no_order():
  elements = np.round(ragged.example()) * 0 + 1.5
  got = ragged.pool(Permutation, elements)
  assert np.isfinite(got[np.array(ragged.SIZES) > 0]).all()


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"num_steps": -1}, "num_steps must be at least 0, got -1"),
    ({"num_rounds": 0}, "num_rounds must be at least 1, got 0"),
    ({"pair_width": 0}, "pair_width must be at least 1, got 0"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.pool(functools.partial(Permutation, **arguments), ragged.example())
