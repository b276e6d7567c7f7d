"""Standardised moments against scipy's."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from gnn_readout.readouts.moment import Moment
from tests.readouts import ragged


def pool(elements, *args, **kwargs):
  return ragged.pool(functools.partial(Moment, *args, **kwargs), elements)


def test_mean_deviation_skewness_kurtosis():
  elements = ragged.example()

  def moments(x):
    if len(x) == 1:
      return np.concatenate([x[0], np.zeros(3 * ragged.D)])
    return np.concatenate(
      [x.mean(0), x.std(0), stats.skew(x), stats.kurtosis(x, fisher=False)]
    )

  np.testing.assert_allclose(
    pool(elements, epsilon=1e-13), ragged.each(moments, elements), atol=1e-9
  )


@pytest.mark.parametrize("order", [1, 2, 3, 7])
def test_a_higher_order_adds_columns(order):
  elements = ragged.example()
  values = pool(elements, order)
  width = order * ragged.D
  assert values.shape == (ragged.S, width)
  np.testing.assert_allclose(values, pool(elements, 7)[:, :width], atol=1e-12)


def test_shift_and_scale():
  """They change the mean and the deviation alone; a sign the odd moments."""
  elements = ragged.example()
  skew, kurtosis = np.split(pool(elements, epsilon=1e-13)[:, 10:], 2, axis=1)
  moved = pool(3 - 50 * elements, epsilon=1e-13)
  np.testing.assert_allclose(moved[:, 10:15], -skew, atol=1e-9)
  np.testing.assert_allclose(moved[:, 15:], kurtosis, atol=1e-9)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"order": 0}, "order must be positive, got 0"),
    ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    pool(ragged.example(), **arguments)
