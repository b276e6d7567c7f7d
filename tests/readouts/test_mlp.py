"""A network on elements side by side, against PyTorch Geometric's."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.mlp import MLP
from tests.readouts import ragged

D, M, HIDDEN, OUT = ragged.D, 7, 6, 3
MAKE = functools.partial(MLP, M, (HIDDEN,), OUT, "mlp")
LAYERS = ("mlp/~aggregate/layer_0", "mlp/~aggregate/project")


def test_values():
  """A set fits exactly, one is cut and the others are filled up."""
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  first, last = (params[name] for name in LAYERS)

  def literal(x):
    padded = np.zeros((M, D))
    padded[: min(len(x), M)] = x[:M]
    h = np.maximum(padded.reshape(-1) @ first["w"] + first["b"], 0)
    return h @ last["w"] + last["b"]

  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    ragged.each(literal, elements, literal(np.zeros((0, D)))),
    atol=1e-11,
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  params = ragged.random_parameters(MAKE, elements)
  theirs = aggr.MLPAggregation(
    D, OUT, M, hidden_channels=HIDDEN, num_layers=2, norm=None
  ).double()
  for linear, name in zip(theirs.mlp.lins, LAYERS):
    ragged.set_linear(linear, params[name])
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params),
    ragged.peer(theirs, elements),
    atol=1e-11,
  )


def test_the_size_is_that_of_the_largest_training_set():
  assert MLP.arguments_from_data(np.array([3, 17, 5])) == {"max_size": 17}


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"max_size": 0}, "max_size must be positive, got 0"),
    ({"widths": (3, 0)}, r"widths must be positive, got \[3, 0\]"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(MLP, **arguments), ragged.example())
