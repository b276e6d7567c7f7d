"""What each head pools, and what it makes of it."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import heads

G, T = 5, 3
STATES = [np.full((7, width), float(width)) for width in (2, 5, 11)]
MASK = jnp.arange(G) < 4


def pooled(head):
  rng = np.random.default_rng(0)
  widths = [
    sum(state.shape[1] for state in group) for group in head.join(STATES)
  ]
  return [jnp.asarray(rng.normal(size=(G, w)), jnp.float32) for w in widths]


def run(head, is_training, key=None):
  """Returns logits and parameters of a head."""
  function = hk.transform_with_state(
    lambda x: head.classify(x, MASK, is_training)
  )
  x = pooled(head)
  params, state = function.init(jax.random.key(0), x)
  return function.apply(params, state, key, x)[0], params


@pytest.mark.parametrize(
  ("name", "kwargs", "widths"),
  [
    ("linear", {}, [[11]]),
    ("mlp", {"dropout_rate": 0.5}, [[2, 5, 11]]),
    ("layerwise", {"dropout_rate": 0.5}, [[2], [5], [11]]),
  ],
)
def test_what_is_pooled(name, kwargs, widths):
  head = heads.make_head(name, T, 13, **kwargs)
  groups = head.join(STATES)
  assert [[x.shape[1] for x in group] for group in groups] == widths
  logits, _ = run(head, False)
  assert logits.shape == (G, T)


def test_layerwise_adds_up_linear_maps():
  head = heads.make_head("layerwise", T, 13, dropout_rate=0.5)
  logits, params = run(head, False)
  expected = sum(
    np.asarray(x) @ params[f"head_{i}"]["w"] + params[f"head_{i}"]["b"]
    for i, x in enumerate(pooled(head))
  )
  np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["layerwise", "mlp"])
def test_dropout_in_training_only(name):
  head = heads.make_head(name, T, 13, dropout_rate=0.5)
  first, second = (run(head, True, jax.random.key(k))[0] for k in (1, 2))
  assert not np.allclose(first, second)
  np.testing.assert_array_equal(run(head, False)[0], run(head, False)[0])


def test_what_is_refused():
  with pytest.raises(ValueError, match="Did you mean 'layerwise'"):
    heads.make_head("layer_wise", T, 13)
  with pytest.raises(ValueError, match=r"lie in \[0, 1\), got 1.0"):
    heads.make_head("layerwise", T, 13, dropout_rate=1.0)
