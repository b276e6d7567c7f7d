"""Attention within sets against a dense one and PyTorch Geometric's blocks."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.layers import set_attention
from tests import gradients

pytestmark = pytest.mark.usefixtures("double_precision")

D, H = 15, 5
SIZES = (7, 0, 1, 29, 2)
N = sum(SIZES) + 3


def example():
  rng = np.random.default_rng(0)
  return rng.normal(size=(N, D)), make_sets(np.array(SIZES), N)


def run(make, params, elements, sets):
  f = hk.without_apply_rng(hk.transform(lambda x, s: make()(x, s)))
  return jax.jit(f.apply)(params, elements, sets)


def test_within_sets_is_attention_set_by_set():
  rng = np.random.default_rng(1)
  sets = example()[1]
  q, y, v, weights = (jnp.asarray(rng.normal(size=(N, D))) for _ in range(4))
  key = jnp.asarray(rng.normal(size=(D, D)))

  def ours(q, y, key, v):
    return set_attention.attend_within(
      q, y, key, v, H, query_sets=sets, key_sets=sets
    )

  def theirs(q, y, key, v):
    rows, starts = [], np.cumsum((0, *SIZES))
    for start, n in zip(starts, SIZES):
      if n:
        own = slice(start, start + n)
        rows.append(set_attention.attend_dense(q[own], y[own], key, v[own], H))
    return jnp.concatenate([*rows, jnp.zeros((N - sum(SIZES), D))])

  gradients.assert_same(ours, theirs, (q, y, key, v), weights, atol=1e-11)


def test_huge_scores_pick_one_element():
  """In single precision, where both loops may round scores apart."""
  elements, sets = example()
  x = jnp.asarray(1e4 * elements, jnp.float32)
  out = set_attention.attend_within(
    x, x, jnp.eye(D, dtype=x.dtype), x, 1, query_sets=sets, key_sets=sets
  )
  own = np.asarray(x)[:7]
  best = np.argmax(own.astype(np.float64) @ own.T.astype(np.float64), axis=1)
  np.testing.assert_array_equal(out[:7], own[best])
  np.testing.assert_array_equal(out[sum(SIZES) :], 0)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_blocks_are_those_of_pytorch_geometric(layer_norm):
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  from torch_geometric.nn.aggr import utils

  from tests.layers import pyg_attention as pyg

  elements, sets = example()
  rows, mask = pyg.dense(elements, SIZES, D)
  args = H, layer_norm
  filled = [s for s, n in enumerate(SIZES) if n]

  block = pyg.randomised(utils.SetAttentionBlock(D, *args))
  ours = run(
    lambda: set_attention.SetAttention(*args, name="block"),
    pyg.attention_block(block.mab, "block"),
    elements,
    sets,
  )
  theirs = block(rows, mask).detach().numpy()[mask.numpy()]
  np.testing.assert_allclose(ours[: sum(SIZES)], theirs, atol=1e-10)

  block = pyg.randomised(utils.InducedSetAttentionBlock(D, 3, *args))
  ours = run(
    lambda: set_attention.InducedSetAttention(3, *args, name="block"),
    pyg.induced(block, "block"),
    elements,
    sets,
  )
  theirs = block(rows, mask).detach().numpy()[mask.numpy()]
  np.testing.assert_allclose(ours[: sum(SIZES)], theirs, atol=1e-10)

  block = pyg.randomised(utils.PoolingByMultiheadAttention(D, 3, *args))
  ours = run(
    lambda: set_attention.AttentionPooling(3, *args, name="block"),
    pyg.pooling(block, "block"),
    elements,
    sets,
  )
  theirs = block(rows, mask).detach().numpy()
  np.testing.assert_allclose(
    np.asarray(ours)[filled], theirs[filled], atol=1e-10
  )


def test_initialisation_is_that_of_pytorch():
  elements, sets = example()
  f = hk.transform(
    lambda x, s: set_attention.AttentionPooling(3, H, name="block")(x, s)
  )
  params = jax.jit(f.init)(jax.random.key(0), elements, sets)
  bounds = {
    ("block", "seeds"): (6 / (4 * D)) ** 0.5,
    ("block/attend/query", "w"): (6 / (4 * D)) ** 0.5,
    ("block/attend", "key"): (6 / (4 * D)) ** 0.5,
    ("block/attend/attended", "w"): D**-0.5,
    ("block/forward", "b"): D**-0.5,
    ("block/attend/value", "b"): 0,
    ("block/attend/attended", "b"): 0,
  }
  for (module, name), bound in bounds.items():
    highest = np.abs(params[module][name]).max()
    assert 0.7 * bound <= highest <= bound, (module, name)
