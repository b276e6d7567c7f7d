"""Log-sum-exp: its limits, with and without normalisation."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts.logsumexp import LogSumExp
from tests.readouts import ragged


def pool(elements, t, **kwargs):
  return ragged.pool(functools.partial(LogSumExp, t, **kwargs), elements)


@pytest.mark.parametrize("t", [0.7, -2.0])
@pytest.mark.parametrize("normalise", [True, False])
def test_values(t, normalise):
  elements = ragged.example()

  def literal(x):
    divisor = len(x) if normalise else 1
    return special.logsumexp(t * x, axis=0, b=1 / divisor) / t

  np.testing.assert_allclose(
    pool(elements, t, normalise=normalise),
    ragged.each(literal, elements),
    atol=1e-14,
  )


@pytest.mark.parametrize(
  ("t", "limit", "slack"),
  [(1e-3, np.mean, 2e-3), (1e4, np.max, 1e-3), (-1e4, np.min, 1e-3)],
)
def test_limits(t, limit, slack):
  elements = ragged.example()
  expected = ragged.each(functools.partial(limit, axis=0), elements)
  np.testing.assert_allclose(pool(elements, t), expected, atol=slack)


def test_huge_elements_do_not_overflow():
  elements = 1e200 * ragged.example()
  expected = ragged.each(lambda x: x.max(0), elements)
  np.testing.assert_allclose(pool(elements, 1.0), expected, rtol=1e-14)


@pytest.mark.parametrize("t", [0.0, 1e-9, -1e-9])
def test_a_temperature_learned_through_zero(t):
  """It acts as +-1e-3, and its gradient is not lost."""
  elements = ragged.example()
  near = np.copysign(1e-3, t)
  params = lambda t: {"log_sum_exp": {"t": np.array(t)}}
  values = ragged.pool(LogSumExp, elements, params(t))
  np.testing.assert_array_equal(
    values, ragged.pool(LogSumExp, elements, params(near))
  )

  def total(params):
    function = ragged.transformed(LogSumExp)
    return function.apply(params, elements).sum()

  with jax.enable_x64(True):
    slopes = [
      jax.jit(jax.grad(total))(params(x))["log_sum_exp"]["t"] for x in (t, near)
    ]
  # Half the variance, to first order.
  expected = ragged.each(lambda x: x.var(0) / 2, elements).sum()
  np.testing.assert_allclose(slopes, expected, rtol=1e-2)


@pytest.mark.parametrize("t", [0.0, np.nan])
def test_bad_temperatures(t):
  with pytest.raises(ValueError, match=f"t must .* got {t}"):
    pool(ragged.example(), t)
