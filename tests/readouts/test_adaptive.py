"""Attention with a query from the set, against PyTorch's."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.adaptive import Adaptive
from tests.readouts import ragged

D, H = 6, 2


def example():
  make = functools.partial(Adaptive, H, name="adaptive")
  elements = ragged.example(D)
  return make, elements, ragged.random_parameters(make, elements)


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize("query", ["mean", "max"])
def test_values_are_those_of_pytorch(query):
  torch = pytest.importorskip("torch")
  make, elements, params = example()
  (own,) = params.values()
  attention = torch.nn.MultiheadAttention(D, H, bias=False, batch_first=True)
  attention = attention.double()
  maps = np.concatenate([own[name].T for name in ("query", "key", "value")])
  with torch.no_grad():
    attention.in_proj_weight.copy_(torch.tensor(maps))
    attention.out_proj.weight.copy_(torch.tensor(own["out"].T))

  def theirs(x):
    chosen = getattr(x, query)(axis=0)
    rows = torch.tensor(x)[None]
    with torch.no_grad():
      read, _ = attention(torch.tensor(chosen)[None, None], rows, rows)
    return chosen + read[0, 0].numpy()

  np.testing.assert_allclose(
    ragged.pool(functools.partial(make, query), elements, params),
    ragged.each(theirs, elements),
    atol=1e-12,
  )


def test_values():
  """The same, element by element and head by head."""
  make, elements, params = example()
  (own,) = params.values()

  def literal(x):
    chosen, read = x.mean(axis=0), []
    for h in range(H):
      of_head = slice(h * D // H, (h + 1) * D // H)
      query = chosen @ own["query"][:, of_head]
      scores = [query @ (row @ own["key"][:, of_head]) for row in x]
      weights = np.exp(np.array(scores) / (D / H) ** 0.5)
      weights /= weights.sum()
      read.append(
        sum(w * (row @ own["value"][:, of_head]) for w, row in zip(weights, x))
      )
    return chosen + np.concatenate(read) @ own["out"]

  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(literal, elements),
    atol=1e-12,
  )


def test_parameters_are_four_maps():
  _, _, params = example()
  (own,) = params.values()
  assert {name: np.shape(x) for name, x in own.items()} == dict.fromkeys(
    ("query", "key", "value", "out"), (D, D)
  )


def test_without_values_it_is_the_query():
  make, elements, params = example()
  params["adaptive"]["value"] = np.zeros((D, D))
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(functools.partial(np.mean, axis=0), elements),
    atol=1e-14,
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"num_heads": 0}, "num_heads must be positive, got 0"),
    ({"num_heads": 4}, "num_heads must divide the width 6, got 4"),
    ({"query": "last"}, "query must be one of mean, max, got 'last'"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(Adaptive, **arguments), ragged.example(D))
