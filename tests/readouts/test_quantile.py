"""Quantiles and the median against numpy's and PyTorch Geometric's."""

from __future__ import annotations

import haiku as hk
import jax
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.median import Median
from gnn_readout.readouts.quantile import Quantile

D = 5
SIZES = (7, 0, 1, 12, 2)
N = sum(SIZES)
ELEMENTS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
Q = (0.0, 0.2, 0.5, 1.0)


def values(make):
  sets = make_sets(np.array(SIZES), N)
  transformed = hk.transform(lambda x: make()(x, sets).values)
  return jax.jit(lambda x: transformed.apply({}, None, x))(ELEMENTS)


def own():
  return np.split(ELEMENTS, np.cumsum(SIZES)[:-1])


def pyg(make):
  torch = pytest.importorskip("torch")
  aggr = pytest.importorskip("torch_geometric").nn.aggr
  index = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
  return make(aggr)(torch.tensor(ELEMENTS), index, dim_size=len(SIZES)).numpy()


@pytest.mark.parametrize("interpolation", ["linear", "higher", "midpoint"])
def test_quantiles_are_those_of_pyg(interpolation):
  ours = values(lambda: Quantile(Q, interpolation))
  theirs = pyg(lambda aggr: aggr.QuantileAggregation(list(Q), interpolation))
  np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_levels_are_concatenated_and_one_may_stand_alone():
  both = values(lambda: Quantile((0.3, 0.9)))
  for i, q in enumerate((0.3, 0.9)):
    one = values(lambda: Quantile(q))
    np.testing.assert_allclose(both[:, i * D : (i + 1) * D], one, rtol=1e-6)


def test_median():
  expected = [np.median(x, axis=0) if len(x) else np.zeros(D) for x in own()]
  np.testing.assert_allclose(values(Median), expected, rtol=1e-6)


def test_lower_median_is_that_of_pyg():
  ours = values(lambda: Median("lower"))
  theirs = pyg(lambda aggr: aggr.MedianAggregation())
  np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("q", [(), 1.1, (0.5, -0.1), np.nan])
def test_bad_levels(q):
  with pytest.raises(ValueError, match=r"q must be one or more .* \[0, 1\]"):
    values(lambda: Quantile(q))


@pytest.mark.parametrize(
  "make", [lambda: Quantile(0.5, "x"), lambda: Median("x")]
)
def test_bad_interpolation(make):
  with pytest.raises(ValueError, match="interpolation must be one of .*'x'"):
    values(make)
