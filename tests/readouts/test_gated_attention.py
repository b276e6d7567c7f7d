"""Gates written out, set by set, and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.gated_attention import GatedAttention
from tests.readouts import ragged

OUT = 3
OPTIONS = {
  "gate_widths": (7,),
  "value_widths": (11,),
  "output_size": OUT,
  "name": "gated",
}
LAYERS = ("gate/~/linear_0", "gate/~/linear_1", "hidden/~/linear_0", "value")


def example(**kwargs):
  """Returns a readout, elements and parameters, their biases not 0."""
  make = functools.partial(GatedAttention, **{**OPTIONS, **kwargs})
  elements = ragged.example()
  return make, elements, ragged.random_parameters(make, elements)


def layers(params):
  return [params[f"gated/~aggregate/{layer}"] for layer in LAYERS]


def networks(params, x):
  """Returns g(x) and v(x)."""
  linear = lambda x, layer: x @ layer["w"] + layer["b"]
  gate_0, gate_1, hidden, value = layers(params)
  gate = linear(np.maximum(linear(x, gate_0), 0), gate_1)
  return gate, linear(np.maximum(linear(x, hidden), 0), value)


@pytest.mark.parametrize("per_feature", [False, True])
def test_softmax_gates(per_feature):
  make, elements, params = example(per_feature=per_feature)

  def literal(x):
    gate, value = networks(params, x)
    assert gate.shape == (len(x), OUT if per_feature else 1)
    return np.sum(special.softmax(gate, axis=0) * value, axis=0)

  values = ragged.pool(make, elements, params)
  np.testing.assert_allclose(values, ragged.each(literal, elements), atol=1e-12)


@pytest.mark.parametrize("per_feature", [False, True])
def test_sigmoid_gates_of_the_paper(per_feature):
  make, elements, params = example(gate="sigmoid", per_feature=per_feature)

  def literal(x):
    gate, value = networks(params, x)
    return np.tanh(np.sum(special.expit(gate) * np.tanh(value), axis=0))

  values = ragged.pool(make, elements, params)
  np.testing.assert_allclose(values, ragged.each(literal, elements), atol=1e-12)


def test_gates_that_do_not_look_give_the_mean():
  make, elements, params = example()
  params["gated/~aggregate/gate/~/linear_1"]["w"][:] = 0
  expected = ragged.each(lambda x: networks(params, x)[1].mean(0), elements)
  values = ragged.pool(make, elements, params)
  np.testing.assert_allclose(values, expected, atol=1e-12)


def test_linear_networks_of_the_elements_width_by_default():
  params = ragged.init(GatedAttention, ragged.example())
  shapes = {name: layer["w"].shape for name, layer in params.items()}
  assert shapes == {
    "gated_attention/~aggregate/gate/~/linear_0": (ragged.D, 1),
    "gated_attention/~aggregate/value": (ragged.D, ragged.D),
  }


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize("per_feature", [False, True])
def test_as_in_pytorch_geometric(per_feature):
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  from torch import nn

  make, elements, params = example(per_feature=per_feature)
  gates = OUT if per_feature else 1
  modules = [
    nn.Linear(ragged.D, 7),
    nn.Linear(7, gates),
    nn.Linear(ragged.D, 11),
    nn.Linear(11, OUT),
  ]
  for module, layer in zip(modules, layers(params)):
    ragged.set_linear(module.double(), layer)
  theirs = aggr.AttentionalAggregation(
    nn.Sequential(modules[0], nn.ReLU(), modules[1]),
    nn.Sequential(modules[2], nn.ReLU(), modules[3]),
  )
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.peer(theirs, elements),
    atol=1e-12,
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"gate": "softmx"}, "Unknown gate 'softmx'. Did you mean 'softmax'"),
    ({"gate_widths": (3, 0)}, r"gate_widths must be positive, got \[3, 0\]"),
    ({"value_widths": (-1,)}, r"value_widths must be positive, got \[-1\]"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(
      functools.partial(GatedAttention, **arguments), ragged.example()
    )
