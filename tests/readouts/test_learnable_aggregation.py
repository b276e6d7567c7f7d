"""LAF as printed, and the aggregators that are special cases of it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.learnable_aggregation import LearnableAggregation
from tests.readouts import ragged

MODULE = "learnable_aggregation"


def pool(elements, exponents, weights):
  """`exponents` [8] or [8, U], `weights` [4] or [4, U]."""
  shape = lambda x, rows: np.asarray(x, float).reshape(rows, -1)
  exponents, weights = shape(exponents, 8), shape(weights, 4)
  make = functools.partial(LearnableAggregation, exponents.shape[1])
  params = {MODULE: {"exponents": exponents, "weights": weights}}
  return ragged.pool(make, elements, params)


def literal(x, exponents, weights):
  x = special.expit(x)
  power_sum = lambda x, a, b: np.sum(x**b, axis=0) ** a
  a, b, c, d, e, f, g, h = exponents
  alpha, beta, gamma, delta = weights
  above = alpha * power_sum(x, a, b) + beta * power_sum(1 - x, c, d)
  below = gamma * power_sum(x, e, f) + delta * power_sum(1 - x, g, h)
  return above / below


def test_values_of_several_units():
  elements = ragged.example()
  rng = np.random.default_rng(1)
  exponents, weights = rng.uniform(0, 2, (8, 3)), rng.uniform(0, 1, (4, 3))
  expected = ragged.each(
    lambda x: np.concatenate(
      [literal(x, exponents[:, u], weights[:, u]) for u in range(3)]
    ),
    elements,
  )
  values = pool(elements, exponents, weights)
  np.testing.assert_allclose(values, expected, rtol=1e-12)
  # Signs of exponents, and of the weights below the bar, do not count.
  signs = np.array([[1], [1], [-1], [-1]])
  values = pool(elements, -exponents, signs * weights)
  np.testing.assert_allclose(values, expected, rtol=1e-12)


R = 3e3  # As good as infinite.
# exponents a to h, weights alpha to delta, and what they make.
SPECIAL = {
  "sum": ((1, 1, 0, 0, 0, 1, 0, 0), (1, 0, 1, 0), np.sum),
  "mean": ((1, 1, 0, 0, 1, 0, 0, 0), (1, 0, 1, 0), np.mean),
  "max": ((1 / R, R, 0, 0, 0, 1, 0, 0), (1, 0, 1, 0), np.max),
  "min": ((0, 1, 1 / R, R, 0, 1, 0, 0), (1, -1, 1, 0), np.min),
  "count": ((1, 0, 0, 0, 0, 1, 0, 0), (1, 0, 1, 0), lambda x, axis: len(x)),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases(name):
  exponents, weights, function = SPECIAL[name]
  elements = ragged.example()
  expected = ragged.each(
    lambda x: function(x, axis=0) * np.ones(ragged.D), special.expit(elements)
  )
  values = pool(elements, exponents, weights)
  np.testing.assert_allclose(values, expected, atol=1e-3)


def test_a_denominator_of_zero_is_kept_from_it():
  values = pool(ragged.example(), np.ones(8), (1, 0, 0, 0))
  assert np.isfinite(values).all()


def test_parameters():
  make = functools.partial(LearnableAggregation, 3)
  params = ragged.init(make, ragged.example())[MODULE]
  assert {k: v.shape for k, v in params.items()} == {
    "exponents": (8, 3),
    "weights": (4, 3),
  }
  for leaf in params.values():
    assert ((leaf >= 0) & (leaf < 1)).all()


def test_there_is_at_least_one_unit():
  with pytest.raises(ValueError, match="num_units must be positive, got 0"):
    ragged.init(functools.partial(LearnableAggregation, 0), ragged.example())
