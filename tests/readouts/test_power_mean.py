"""Power means by name, and what becomes of numbers that are not positive."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from gnn_readout.readouts.power_mean import PowerMean
from tests.readouts import ragged


def pool(elements, p, **kwargs):
  return ragged.pool(functools.partial(PowerMean, p, **kwargs), elements)


def positive():
  return 0.2 + np.abs(ragged.example())


@pytest.mark.parametrize(
  ("p", "mean", "slack"),
  [
    (1.0, np.mean, 1e-13),
    (-1.0, stats.hmean, 1e-13),
    (1e-3, stats.gmean, 2e-3),
    (2.5, functools.partial(stats.pmean, p=2.5), 1e-13),
    (1e5, np.max, 1e-4),
    (-1e5, np.min, 1e-4),
  ],
)
def test_means(p, mean, slack):
  elements = positive()
  expected = ragged.each(functools.partial(mean, axis=0), elements)
  np.testing.assert_allclose(pool(elements, p), expected, atol=slack)


def test_elements_are_clipped():
  elements = 200 * ragged.example()
  clipped = np.clip(elements, 0.5, 30)
  values = pool(elements, 3.0, minimum=0.5, maximum=30.0)
  expected = ragged.each(lambda x: np.mean(x**3, axis=0) ** (1 / 3), clipped)
  np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_each_channel_follows_its_own_exponent():
  elements = positive()
  p = np.array([-9.0, -1.0, 0.5, 3.0, 40.0])
  make = functools.partial(PowerMean, per_channel=True)
  values = ragged.pool(make, elements, {"power_mean": {"p": p}})
  for d in range(ragged.D):
    np.testing.assert_allclose(
      values[:, d], pool(elements, p[d])[:, d], atol=1e-13
    )


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize("p", [0.5, 2.0])
def test_as_in_pytorch_geometric(p):
  """Where the means of the powers are within its limits; and not the empty."""
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  elements = positive()
  filled = np.array(ragged.SIZES) > 0
  theirs = ragged.peer(aggr.PowerMeanAggregation(p, learn=True), elements)
  np.testing.assert_allclose(
    pool(elements, p)[filled], theirs[filled], atol=1e-10
  )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"p": 0.0}, "p must not be 0, got 0.0"),
    ({"p": np.inf}, "p must be finite, got inf"),
    ({"minimum": 0.0}, "0 < minimum < maximum, got 0.0 and 100.0"),
    ({"minimum": 2.0, "maximum": 1.0}, "got 2.0 and 1.0"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(PowerMean, **arguments), ragged.example())
