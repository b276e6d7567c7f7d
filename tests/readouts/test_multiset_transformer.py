"""Graph Multiset Transformer: PyTorch Geometric's, and bad arguments."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.multiset_transformer import MultisetTransformer

pytestmark = pytest.mark.usefixtures("double_precision")

D, H = 15, 5
SIZES = (7, 0, 1, 11, 2)
N = sum(SIZES) + 3


def readout(**kwargs):
  kwargs = {"num_heads": H, "name": "readout", **kwargs}
  return hk.without_apply_rng(
    hk.transform(lambda x, sets: MultisetTransformer(**kwargs)(x, sets).values)
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
    aggr.GraphMultisetTransformer(D, 3, 2, H, layer_norm=layer_norm)
  )
  inside = "readout/~aggregate/"
  params = {
    **pyg.pooling(peer.pma1, inside + "pool_k"),
    **pyg.attention_block(peer.encoders[0].mab, inside + "block_0"),
    **pyg.attention_block(peer.encoders[1].mab, inside + "block_1"),
    **pyg.pooling(peer.pma2, inside + "pool_1"),
  }
  elements, sets = example()
  f = readout(num_seeds=3, num_blocks=2, layer_norm=layer_norm)
  ours = jax.jit(f.apply)(params, elements, sets)
  with torch.no_grad():
    theirs = peer(
      torch.tensor(np.asarray(elements)[: sum(SIZES)]),
      torch.tensor(np.repeat(np.arange(len(SIZES)), SIZES)),
      dim_size=len(SIZES),
    ).numpy()
  filled = np.array(SIZES) > 0
  np.testing.assert_allclose(
    np.asarray(ours)[filled], theirs[filled], rtol=1e-9, atol=1e-9
  )
  np.testing.assert_array_equal(ours[1], 0)


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"num_seeds": 0}, "num_seeds must be positive, got 0"),
    ({"num_heads": 0}, "num_heads must be positive, got 0"),
    ({"num_heads": 4}, "must divide the width 15, got 4"),
    ({"num_blocks": -1}, "num_blocks must not be negative, got -1"),
  ],
)
def test_bad_arguments(kwargs, message):
  with pytest.raises(ValueError, match=message):
    readout(**kwargs).init(jax.random.key(0), *example())
