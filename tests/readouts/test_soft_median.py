"""Soft medians against a literal loop, and what they are for."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gnn_readout.readouts.soft_median import SoftMedian
from tests.readouts import ragged


def literal(x, temperature):
  """The authors' program, of one set [n, D] and without weights of edges."""
  median = np.quantile(x, 0.5, axis=0, method="lower")
  distances = np.array([np.linalg.norm(median - row) for row in x])
  distances = distances / x.shape[1] ** 0.5
  weights = np.exp(-distances / temperature)
  return sum(w * row for w, row in zip(weights / weights.sum(), x))


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_values(temperature):
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(functools.partial(SoftMedian, temperature), elements),
    ragged.each(functools.partial(literal, temperature=temperature), elements),
    atol=1e-13,
  )


def test_hot_it_is_the_mean():
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(functools.partial(SoftMedian, 1e9), elements),
    ragged.each(functools.partial(np.mean, axis=0), elements),
    atol=1e-8,
  )


def test_cold_it_is_the_element_nearest_to_the_median():
  elements = ragged.example()

  def nearest(x):
    median = np.quantile(x, 0.5, axis=0, method="lower")
    return x[np.argmin(np.linalg.norm(x - median, axis=1))]

  np.testing.assert_allclose(
    ragged.pool(functools.partial(SoftMedian, 1e-4), elements),
    ragged.each(nearest, elements),
    atol=1e-10,
  )


def test_an_outlier_moves_it_by_little():
  elements = ragged.example()
  moved = elements.copy()
  moved[3] += 1e6
  before, after = (ragged.pool(SoftMedian, x) for x in (elements, moved))
  assert np.abs(after[0] - before[0]).max() < np.abs(elements[:7]).max()
  np.testing.assert_array_equal(after[1:], before[1:])


def test_a_temperature_that_is_not_positive():
  with pytest.raises(ValueError, match=r"temperature must be positive, got 0"):
    ragged.init(functools.partial(SoftMedian, 0.0), ragged.example())
