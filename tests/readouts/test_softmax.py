"""Softmax over elements: its limits and its temperature."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.softmax import Softmax
from tests.readouts import ragged


def pool(elements, t, **kwargs):
  return ragged.pool(functools.partial(Softmax, t, **kwargs), elements)


@pytest.mark.parametrize("t", [0.7, -2.0])
def test_values(t):
  elements = ragged.example()
  expected = ragged.each(
    lambda x: np.sum(special.softmax(t * x, axis=0) * x, axis=0), elements
  )
  np.testing.assert_allclose(pool(elements, t), expected, atol=1e-14)


@pytest.mark.parametrize(
  ("t", "limit"), [(0.0, np.mean), (1e6, np.max), (-1e6, np.min)]
)
def test_limits(t, limit):
  elements = ragged.example()
  expected = ragged.each(functools.partial(limit, axis=0), elements)
  np.testing.assert_allclose(pool(elements, t), expected, atol=1e-14)


def test_learned_and_fixed_agree_and_differ_in_their_parameters():
  elements = ragged.example()
  options = {
    (): {"learn": False},
    ("t",): {},
    ("t", "each"): {"per_channel": True},
  }
  for names, option in options.items():
    params = ragged.init(functools.partial(Softmax, 1.5, **option), elements)
    if not names:
      assert not params
    else:
      shape = (ragged.D,) if "each" in names else ()
      assert params["softmax"]["t"].shape == shape
    np.testing.assert_array_equal(
      pool(elements, 1.5, **option), pool(elements, 1.5)
    )


def test_each_channel_follows_its_own_temperature():
  elements = ragged.example()
  t = np.array([-9.0, 0.0, 0.5, 3.0, 40.0])
  make = functools.partial(Softmax, per_channel=True)
  values = ragged.pool(make, elements, {"softmax": {"t": t}})
  for d in range(ragged.D):
    expected = pool(elements, t[d])[:, d]
    np.testing.assert_allclose(values[:, d], expected, atol=1e-14)


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize("channels", [1, ragged.D])
def test_as_in_pytorch_geometric(channels):
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = ragged.example()
  theirs = aggr.SoftmaxAggregation(1.3, learn=True, channels=channels)
  np.testing.assert_allclose(
    pool(elements, 1.3, per_channel=channels > 1),
    ragged.peer(theirs, elements),
    atol=1e-6,  # It computes with t in single precision.
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"t": np.inf}, "t must be finite, got inf"),
    ({"learn": False, "per_channel": True}, "per_channel must be False"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(Softmax, **arguments), ragged.example())
