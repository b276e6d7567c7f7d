"""The embedding against integrals, and against the authors' program."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import integrate

from gnn_readout.readouts.fourier_sliced_wasserstein import (
  FourierSlicedWasserstein,
)
from tests.readouts import ragged

D, M = ragged.D, 7
NAME = "fsw"
MAKE = functools.partial(FourierSlicedWasserstein, M, name=NAME)


def example():
  rng = np.random.default_rng(2)
  directions = rng.normal(size=(M, D))
  frequencies = np.array([0.0, 1e-9, 0.3, 1.0, 2.0, 3.7, 40.0])
  params = {NAME: {"directions": directions, "frequencies": frequencies}}
  return ragged.example(), params


def literal(x, params):
  """2 (1 + f) times the integral of the quantile function, by quadrature."""
  values = []
  own = params[NAME]
  for direction, f in zip(own["directions"], own["frequencies"]):
    wave = lambda t, f=f: np.cos(2 * np.pi * f * t)
    ordered, n = np.sort(x @ direction), len(x)
    steps = [
      integrate.quad(wave, i / n, (i + 1) / n, limit=200)[0] for i in range(n)
    ]
    values.append(2 * (1 + f) * np.dot(ordered, steps))
  return np.array(values)


def test_values():
  elements, params = example()
  values = ragged.pool(MAKE, elements, params)
  expected = ragged.each(functools.partial(literal, params=params), elements)
  np.testing.assert_array_equal(values[:, 0], ragged.SIZES)
  np.testing.assert_allclose(values[:, 1:], expected, atol=1e-8)


@pytest.mark.xdist_group("pyg")
@pytest.mark.parametrize("encoding", ["identity", "sqrt", "log", "none"])
def test_as_in_the_authors_program(encoding):
  fswlib = pytest.importorskip("fswlib")
  import torch

  elements, params = example()
  has_size = encoding != "none"
  theirs = fswlib.FSWEmbedding(
    D,
    M + has_size,
    encode_total_mass=has_size,
    total_mass_encoding_transformation=encoding if has_size else "identity",
    dtype=torch.float64,
  )
  with torch.no_grad():
    for name, own in (
      ("slice_vectors", "directions"),
      ("frequencies", "frequencies"),
    ):
      getattr(theirs, name).copy_(torch.tensor(params[NAME][own]))

  def one(x):
    with torch.no_grad():
      return theirs(torch.tensor(x)).numpy()

  values = ragged.pool(
    functools.partial(MAKE, size_encoding=encoding), elements, params
  )
  np.testing.assert_allclose(values, ragged.each(one, elements), atol=1e-11)


def test_frequency_0_is_twice_the_mean():
  elements, params = example()
  means = ragged.each(functools.partial(np.mean, axis=0), elements)
  expected = 2 * means @ params[NAME]["directions"][0]
  values = ragged.pool(MAKE, elements, params)
  np.testing.assert_allclose(values[:, 1], expected, atol=1e-13)


def test_twice_the_elements_differ_in_number_alone():
  elements, params = example()
  single, double = ragged.STARTS[2], ragged.STARTS[4]  # Of 1 and 2 elements.
  elements[double] = elements[double + 1] = elements[single]
  values = ragged.pool(MAKE, elements, params)
  np.testing.assert_allclose(values[4, 1:], values[2, 1:], atol=1e-13)
  assert (values[4, 0], values[2, 0]) == (2, 1)


@pytest.mark.parametrize("frequencies", ["random", "even"])
def test_parameters_at_the_start(frequencies):
  make = functools.partial(MAKE, frequencies=frequencies)
  (own,) = ragged.init(make, ragged.example()).values()
  norms = np.linalg.norm(own["directions"], axis=1)
  np.testing.assert_allclose(norms, 1, atol=1e-6)
  assert own["directions"].shape == (M, D)
  assert (np.diff(own["frequencies"]) > 0).all()
  assert own["frequencies"][0] >= 0
  if frequencies == "even":
    levels = own["frequencies"] / (1 + own["frequencies"])
    np.testing.assert_allclose(levels, (np.arange(M) + 0.5) / M, atol=1e-6)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"num_slices": 0}, "num_slices must be positive, got 0"),
    ({"size_encoding": "square"}, "one of none, identity, sqrt, log, got 'sq"),
    ({"frequencies": "odd"}, "one of random, even, got 'odd'"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(
      functools.partial(FourierSlicedWasserstein, **arguments), ragged.example()
    )
