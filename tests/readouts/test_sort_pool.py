"""SortPool against sorted lists of rows and PyTorch Geometric."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.sort_pool import SortPool, order_of_rows

D, K = 4, 5
SIZES = (7, 0, 1, 13, 2)
N = sum(SIZES) + 3
ELEMENTS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
ELEMENTS[sum(SIZES) :] = 0


def values(elements, **kwargs):
  sets = make_sets(np.array(SIZES), N)
  transformed = hk.transform(lambda x: SortPool(**kwargs)(x, sets).values)
  return jax.jit(lambda x: transformed.apply({}, None, x))(elements)


def literal(elements, k):
  """Rows as tuples, compared from their last entry on."""
  result = np.zeros((len(SIZES), k, D), np.float32)
  for s, start in enumerate(np.cumsum((0, *SIZES))[:-1]):
    rows = elements[start : start + SIZES[s]].tolist()
    rows = sorted(rows, key=lambda row: row[::-1], reverse=True)[:k]
    result[s, : len(rows)] = np.reshape(rows, (-1, D))
  return result.reshape(len(SIZES), -1)


@pytest.mark.parametrize("k", [1, K, 17])
def test_values(k):
  np.testing.assert_array_equal(values(ELEMENTS, k=k), literal(ELEMENTS, k))


@pytest.mark.parametrize("num_values", [1, 2, 3])
def test_ties(num_values):
  """Few values in each feature, so that most are tied, and rows repeat."""
  rng = np.random.default_rng(num_values)
  elements = rng.integers(num_values, size=(N, D)).astype(np.float32)
  elements[sum(SIZES) :] = 0
  np.testing.assert_array_equal(values(elements, k=K), literal(elements, K))


def test_the_order_is_a_permutation_within_each_set():
  sets = make_sets(np.array(SIZES), N)
  rows = np.asarray(order_of_rows(jnp.round(ELEMENTS), sets))
  ids = np.asarray(sets.segment_ids)
  np.testing.assert_array_equal(np.sort(rows), np.arange(N))
  np.testing.assert_array_equal(ids[rows], ids)


def test_as_pyg():
  torch = pytest.importorskip("torch")
  aggr = pytest.importorskip("torch_geometric").nn.aggr
  index = torch.repeat_interleave(torch.arange(5), torch.tensor(SIZES))
  x = torch.tensor(ELEMENTS[: sum(SIZES)])
  theirs = aggr.SortAggregation(K)(x, index, dim_size=5).numpy()
  np.testing.assert_array_equal(values(ELEMENTS, k=K), theirs)


def test_k_is_measured_on_the_sizes():
  sizes = np.array([5, 9, 2, 7, 3, 8, 1, 4, 6, 10])
  k = SortPool.arguments_from_data(sizes)["k"]
  assert np.mean(sizes > k) == 0.6
  assert SortPool.arguments_from_data(np.zeros(3, np.int32)) == {"k": 1}


def test_bad_k():
  with pytest.raises(ValueError, match="k must be positive, got 0"):
    values(ELEMENTS, k=0)
