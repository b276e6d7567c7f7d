"""Set Transformer: PyTorch Geometric's, its limit, and its memory."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.set_transformer import SetTransformer
from tests.readouts import ragged

pytestmark = pytest.mark.usefixtures("double_precision")

D, H = 15, 5
SIZES = (7, 0, 1, 29, 2)
N = sum(SIZES) + 3


def readout(**kwargs):
  kwargs = {"num_heads": H, "name": "readout", **kwargs}
  return hk.without_apply_rng(
    hk.transform(lambda x, sets: SetTransformer(**kwargs)(x, sets).values)
  )


def example():
  elements = np.random.default_rng(0).normal(size=(N, D))
  return jnp.asarray(elements), make_sets(np.array(SIZES), N)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_same_as_pytorch_geometric(layer_norm):
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  import torch
  from torch_geometric.nn import aggr

  from tests.layers import pyg_attention as pyg

  peer = pyg.randomised(
    aggr.SetTransformerAggregation(
      D, 3, num_encoder_blocks=2, heads=H, layer_norm=layer_norm
    )
  )
  inside = "readout/~aggregate/"
  params = {
    **pyg.attention_block(peer.encoders[0].mab, inside + "encoder_0"),
    **pyg.attention_block(peer.encoders[1].mab, inside + "encoder_1"),
    **pyg.pooling(peer.pma, inside + "pooling"),
    **pyg.attention_block(peer.decoders[0].mab, inside + "decoder_0"),
  }
  elements, sets = example()
  f = readout(num_seeds=3, layer_norm=layer_norm)
  ours = jax.jit(f.apply)(params, elements, sets)
  with torch.no_grad():
    theirs = peer(
      torch.tensor(np.asarray(elements)[: sum(SIZES)]),
      torch.tensor(np.repeat(np.arange(len(SIZES)), SIZES)),
      dim_size=len(SIZES),
    )
  filled = np.array(SIZES) > 0
  np.testing.assert_allclose(
    np.asarray(ours)[filled], theirs.numpy()[filled], rtol=1e-9, atol=1e-9
  )
  np.testing.assert_array_equal(ours[1], 0)


def test_inducing_points():
  """Their block is compared with a peer's in the tests of the layers."""
  elements, sets = example()
  f = readout(num_inducing_points=3)
  params = jax.eval_shape(f.init, jax.random.key(0), elements, sets)
  values = jax.eval_shape(f.apply, params, elements, sets)
  assert params["readout/~aggregate/encoder_1"]["points"].shape == (3, D)
  assert values.shape == (len(SIZES), D)


def test_without_blocks_equal_elements_count_once():
  """Pooling by attention alone: as many weights, that sum to 1."""
  elements, sets = example()
  f = readout(num_encoder_blocks=0, num_decoder_blocks=0)
  params = jax.jit(f.init)(jax.random.key(0), elements, sets)
  values = jax.jit(f.apply)(params, jnp.ones_like(elements), sets)
  filled = np.array(SIZES) > 0
  np.testing.assert_allclose(
    values[filled], np.tile(values[0], (filled.sum(), 1)), atol=1e-12
  )


@pytest.mark.parametrize("points", [None, 16])
def test_memory_of_large_sets(points):
  """Sets of up to 3,782 elements, 14,000 in all, gradient included."""
  f = readout(num_heads=4, num_inducing_points=points, num_encoder_blocks=1)
  assert ragged.memory_of_large_sets(f) < 0.5e9


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"num_seeds": 0}, "num_seeds must be positive, got 0"),
    ({"num_heads": 0}, "num_heads must be positive, got 0"),
    ({"num_heads": 4}, "must divide the width 15, got 4"),
    ({"num_inducing_points": 0}, "num_inducing_points must be positive, got 0"),
    ({"num_encoder_blocks": -1}, "num_encoder_blocks must not be negative"),
    ({"num_decoder_blocks": -1}, "num_decoder_blocks must not be negative"),
  ],
)
def test_bad_arguments(kwargs, message):
  with pytest.raises(ValueError, match=message):
    readout(**kwargs).init(jax.random.key(0), *example())
