"""Deep Sets written out, and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.deep_sets import DeepSets
from tests.readouts import ragged

OUT = 3
OPTIONS = {
  "phi_widths": (7, 11),
  "rho_widths": (13,),
  "output_size": OUT,
  "name": "deep",
}
LAYERS = (
  "phi/~/linear_0",
  "phi/~/linear_1",
  "rho/~/linear_0",
  "rho/~/linear_1",
)


def example(**kwargs):
  """Returns a readout, elements and its four layers, their biases not 0."""
  make = functools.partial(DeepSets, **{**OPTIONS, **kwargs})
  elements = ragged.example()
  return make, elements, ragged.random_parameters(make, elements)


def layers(params):
  return [params[f"deep/~aggregate/{layer}"] for layer in LAYERS]


@pytest.mark.parametrize("pool", ["sum", "mean", "max"])
def test_values(pool):
  make, elements, params = example(pool=pool)
  linear = lambda x, layer: x @ layer["w"] + layer["b"]
  relu = lambda x: np.maximum(x, 0)
  phi_0, phi_1, rho_0, rho_1 = layers(params)

  def literal(x):
    return getattr(relu(linear(relu(linear(x, phi_0)), phi_1)), pool)(axis=0)

  pooled = ragged.each(literal, elements)  # [S, 11]; rho sees empty sets too.
  expected = linear(relu(linear(pooled, rho_0)), rho_1)
  values = ragged.pool(make, elements, params)
  np.testing.assert_allclose(values, expected, atol=1e-11)


def test_widths_by_default():
  params = ragged.init(DeepSets, ragged.example())
  assert len(params) == 4
  for layer in params.values():
    assert layer["w"].shape == (ragged.D, ragged.D)


def test_without_layers_it_is_a_linear_map_of_the_sum():
  elements = np.abs(ragged.example())
  make = functools.partial(DeepSets, (), ())
  params = {
    "deep_sets/~aggregate/rho/~/linear_0": {
      "w": np.eye(ragged.D),
      "b": np.zeros(ragged.D),
    }
  }
  values = ragged.pool(make, elements, params)
  expected = ragged.each(lambda x: x.sum(0), elements)
  np.testing.assert_allclose(values, expected, atol=1e-13)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  from torch import nn

  make, elements, params = example()
  sizes = (ragged.D, 7, 11, 13, OUT)
  modules = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
  for module, layer in zip(modules, layers(params)):
    ragged.set_linear(module.double(), layer)
  theirs = aggr.DeepSetsAggregation(
    nn.Sequential(modules[0], nn.ReLU(), modules[1], nn.ReLU()),
    nn.Sequential(modules[2], nn.ReLU(), modules[3]),
  )
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.peer(theirs, elements),
    atol=1e-11,
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"pool": "summ"}, "Unknown pool 'summ'. Did you mean 'sum'"),
    ({"phi_widths": (0,)}, r"phi_widths must be positive, got \[0\]"),
    ({"rho_widths": (3, -2)}, r"rho_widths must be positive, got \[3, -2\]"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(DeepSets, **arguments), ragged.example())
