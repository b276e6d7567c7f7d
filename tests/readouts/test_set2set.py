"""Set2Set written out, and against PyTorch Geometric."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.set2set import Set2Set
from tests.readouts import ragged

D = ragged.D
LINEAR = "set2_set/~aggregate/lstm/linear"


def example():
  """Returns elements and parameters; gates are in the order i, g, f, o."""
  rng = np.random.default_rng(1)
  layer = {
    "w": rng.normal(size=(3 * D, 4 * D)) / 2,
    "b": rng.normal(size=4 * D),
  }
  return ragged.example(), {LINEAR: layer}


def literal(x, layer, steps):
  """q*_T of one set [n, D]."""
  query, cell, seen = np.zeros(D), np.zeros(D), np.zeros(2 * D)
  for _ in range(steps):
    gates = np.concatenate([seen, query]) @ layer["w"] + layer["b"]
    i, g, f, o = np.split(gates, 4)
    cell = special.expit(f + 1) * cell + special.expit(i) * np.tanh(g)
    query = special.expit(o) * np.tanh(cell)
    read = special.softmax(x @ query) @ x if len(x) else np.zeros(D)
    seen = np.concatenate([query, read])
  return seen


@pytest.mark.parametrize("steps", [1, 4])
def test_values(steps):
  elements, params = example()
  make = functools.partial(Set2Set, steps)
  empty = literal(elements[:0], params[LINEAR], steps)
  expected = ragged.each(
    lambda x: literal(x, params[LINEAR], steps), elements, empty
  )
  values = ragged.pool(make, elements, params)
  np.testing.assert_allclose(values, expected, atol=1e-12)


def test_parameters():
  params = ragged.init(Set2Set, ragged.example())
  assert list(params) == [LINEAR]
  assert params[LINEAR]["w"].shape == (3 * D, 4 * D)


def test_one_element_is_read_as_it_is():
  elements, params = example()
  start = ragged.STARTS[2]
  values = ragged.pool(Set2Set, elements, params)
  np.testing.assert_allclose(values[2, D:], elements[start], atol=1e-14)


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  import torch

  elements, params = example()
  order = lambda x: np.concatenate(
    [np.split(x, 4, axis=-1)[k] for k in (0, 2, 1, 3)], axis=-1
  )  # PyTorch's: i, f, g, o.
  w, b = order(params[LINEAR]["w"]), order(params[LINEAR]["b"])
  b[D : 2 * D] += 1  # Haiku adds it to the forget gate.
  theirs = aggr.Set2Set(D, 3).double()
  copies = {
    "weight_ih_l0": w[: 2 * D].T,
    "weight_hh_l0": w[2 * D :].T,
    "bias_ih_l0": b,
    "bias_hh_l0": np.zeros_like(b),
  }
  theirs.lstm.load_state_dict({k: torch.tensor(v) for k, v in copies.items()})
  np.testing.assert_allclose(
    ragged.pool(Set2Set, elements, params),
    ragged.peer(theirs, elements),
    atol=1e-12,
  )


def test_it_reads_at_least_once():
  with pytest.raises(
    ValueError, match="processing_steps must be positive, got 0"
  ):
    ragged.init(functools.partial(Set2Set, 0), ragged.example())
