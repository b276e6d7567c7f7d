"""Every closed form against the solver, and against the energy itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import potentials
from gnn_readout.graphs import make_sets
from gnn_readout.minimisation import minimise

pytestmark = pytest.mark.usefixtures("double_precision")

SIZES = (7, 1, 11)
WIDTH = 3
QUERY = np.array([0.5, -0.7, 0.3])
POSTERIOR = potentials.gaussian_posterior(0.7, np.array([1.0, -2.0, 0.5]), 1.3)


def example(sizes=SIZES, width=WIDTH, seed=0):
  rng = np.random.default_rng(seed)
  elements = rng.normal(size=(sum(sizes) + 5, width))
  elements[sum(sizes) :] = np.nan  # Padding.
  return jnp.asarray(elements), make_sets(np.array(sizes), len(elements))


def closed_form(potential, elements, sizes=SIZES):
  ends = np.cumsum(sizes)
  return jnp.stack(
    [
      potential.minimiser(elements[end - size : end])
      for size, end in zip(sizes, ends, strict=True)
    ]
  )


def solve(potential, elements, sets, y0, **kwargs):
  energy = potentials.energy(potential, elements, sets)
  return minimise(energy, y0, **kwargs).y


@pytest.mark.parametrize(
  ("potential", "size"),
  [
    (potentials.MEAN, WIDTH),
    (potentials.SUM, WIDTH),
    (potentials.attention(QUERY), WIDTH + 1),
    (POSTERIOR, WIDTH),
  ],
  ids=["mean", "sum", "attention", "gaussian posterior"],
)
def test_smooth_potentials(potential, size):
  elements, sets = example()
  expected = closed_form(potential, elements)
  result = solve(
    potential,
    elements,
    sets,
    jnp.zeros((len(SIZES), size)),
    learning_rate=0.01,
    momentum=0.9,
    num_steps=2000,
    gradient_tolerance=0.0,
  )
  np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def test_power_sums():
  size = 5
  potential = potentials.power_sums(size, size)
  elements, sets = example(sizes=(size, size), width=1)
  expected = closed_form(potential, elements, (size, size))
  powers = np.arange(1, size + 1)
  np.testing.assert_allclose(
    expected[0], np.sum(np.asarray(elements[:size]) ** powers, axis=0)
  )
  result = solve(
    potential,
    elements,
    sets,
    jnp.zeros((2, size)),
    learning_rate=size / 4,
    momentum=0.5,
    num_steps=200,
    gradient_tolerance=0.0,
  )
  np.testing.assert_allclose(result, expected, rtol=1e-9)


def test_median():
  """Subgradient descent settles within one step of the only minimum."""
  elements, sets = example()
  rate = 1e-4
  result = solve(
    potentials.MEDIAN,
    elements,
    sets,
    jnp.zeros((len(SIZES), WIDTH)),
    learning_rate=rate,
    momentum=0.0,
    num_steps=30_000,
  )
  expected = closed_form(potentials.MEDIAN, elements)
  np.testing.assert_allclose(result, expected, atol=2 * rate)


def test_max_from_below():
  """Descent from below ends on the first of all the minima."""
  elements, sets = example()
  rate = 1e-3
  result = solve(
    potentials.MAX,
    elements,
    sets,
    jnp.full((len(SIZES), WIDTH), -4.0),
    learning_rate=rate,
    momentum=0.0,
    num_steps=8_000,
  )
  expected = closed_form(potentials.MAX, elements)
  assert (result >= expected).all()
  np.testing.assert_allclose(result, expected, atol=rate)


@pytest.mark.parametrize(
  ("potential", "width"),
  [
    (potentials.MEAN, WIDTH),
    (potentials.MEDIAN, WIDTH),
    (potentials.MAX, WIDTH),
    (potentials.SUM, WIDTH),
    (potentials.attention(QUERY), WIDTH),
    (POSTERIOR, WIDTH),
    (potentials.power_sums(7, 5), 1),
  ],
)
def test_no_other_point_is_lower(potential, width):
  elements, sets = example(sizes=(7,), width=width)
  energy = potentials.energy(potential, elements, sets)
  best = potential.minimiser(elements[:7])[None]
  rng = np.random.default_rng(2)
  for scale in (1e-3, 1e-1, 1e1):
    other = best + scale * rng.normal(size=best.shape)
    assert energy(other) >= energy(best)


def test_what_appendix_b_prints_belongs_to_another_potential():
  elements, sets = example(sizes=(7,))
  x = elements[:7]
  weights = jnp.exp(x @ QUERY)
  printed = jnp.append(jnp.mean(weights[:, None] * x, axis=0), weights.mean())
  softmax = jax.nn.softmax(x @ QUERY) @ x

  as_printed = potentials.attention(QUERY)
  slope = jax.grad(
    lambda y: potentials.energy(as_printed, elements, sets)(y).sum()
  )
  assert jnp.abs(slope(printed[None])[0, :-1]).max() > 0.1
  np.testing.assert_allclose(as_printed.minimiser(x)[:-1], softmax)

  def moments(x, y):
    weight = jnp.exp(QUERY @ x)
    return jnp.sum((weight * x - y[:-1]) ** 2) + (y[-1] - weight) ** 2

  other = potentials.Potential(moments, lambda x: printed)
  slope = jax.grad(lambda y: potentials.energy(other, elements, sets)(y).sum())
  np.testing.assert_allclose(slope(printed[None]), 0, atol=1e-12)
  # Either way attention follows, but only here by the division.
  np.testing.assert_allclose(printed[:-1] / printed[-1], softmax)
