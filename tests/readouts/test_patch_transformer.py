"""Patches cut one by one, and PyTorch Geometric's where they fill up."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import patch_transformer
from gnn_readout.readouts.patch_transformer import PatchTransformer
from tests.readouts import ragged

D, W, OUT = 5, 6, 3
NAME = "patches"


def make(patch_size, **arguments):
  return functools.partial(
    PatchTransformer,
    patch_size,
    width=W,
    num_heads=2,
    output_size=OUT,
    name=NAME,
    **arguments,
  )


@pytest.mark.parametrize("size", [1, 3, 20])
def test_patches_are_cut_from_each_set(size):
  elements = ragged.example()
  sets = make_sets(np.array(ragged.SIZES), ragged.N)
  rows, patch_sets = patch_transformer._patches(
    jnp.asarray(elements), sets, size
  )
  expected = []
  for start, count in zip(ragged.STARTS, ragged.SIZES):
    for first in range(0, count, size):
      patch = np.zeros((size, D))
      part = elements[start + first : start + min(first + size, count)]
      patch[: len(part)] = part
      expected.append(patch.reshape(-1))
  counts = [-(-count // size) for count in ragged.SIZES]
  np.testing.assert_array_equal(patch_sets.sizes, counts)
  np.testing.assert_allclose(rows[: len(expected)], expected, rtol=1e-6)


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize(
  ("blocks", "aggregation"), [(1, "mean"), (2, "sum"), (1, "max")]
)
def test_as_in_pytorch_geometric(blocks, aggregation):
  """Of the sets of 7 and 1 elements alone do patches of that size fill up."""
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  import torch

  from tests.layers import pyg_attention as pyg

  elements = ragged.example()
  for size, s in ((7, 0), (1, 0), (1, 3), (11, 3), (2, 4)):
    theirs = pyg.randomised(
      aggr.PatchTransformerAggregation(
        D, OUT, size, W, blocks, heads=2, aggr=aggregation
      )
    )
    inside = f"{NAME}/~aggregate/"
    params = {
      inside + own: {
        "w": getattr(theirs, name).weight.detach().numpy().T,
        "b": getattr(theirs, name).bias.detach().numpy(),
      }
      for own, name in (
        ("element", "lin"),
        ("patch", "pad_projector"),
        ("project", "fc"),
      )
    }
    for k, block in enumerate(theirs.blocks):
      params |= pyg.attention_block(block, f"{inside}block_{k}")
    readout = make(size, num_blocks=blocks, aggregation=aggregation)
    values = ragged.pool(readout, elements, params)
    start, count = ragged.STARTS[s], ragged.SIZES[s]
    x = torch.tensor(elements[start : start + count])
    index = torch.zeros(count, dtype=torch.long)
    with torch.no_grad():
      expected = theirs(x, index, max_num_elements=count)[0].numpy()
    np.testing.assert_allclose(values[s], expected, atol=1e-10)


def test_the_empty_set_gives_the_bias():
  elements = ragged.example()
  params = ragged.random_parameters(make(3), elements)
  values = ragged.pool(make(3), elements, params)
  bias = params[f"{NAME}/~aggregate/project"]["b"]
  np.testing.assert_allclose(values[1], bias, atol=1e-14)


def test_an_odd_width_of_elements_is_rounded_up():
  readout = functools.partial(PatchTransformer, 2, name=NAME)
  params = ragged.init(readout, ragged.example())
  assert params[f"{NAME}/~aggregate/element"]["w"].shape == (5, 6)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"patch_size": 0}, "patch_size must be positive, got 0"),
    ({"width": 5}, "width must be positive and even, got 5"),
    ({"aggregation": "var"}, "one of mean, sum, max, min, got 'var'"),
    ({"num_heads": 4}, "num_heads must divide the width 6, got 4"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(
      functools.partial(PatchTransformer, **arguments), ragged.example()
    )
