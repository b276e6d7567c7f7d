"""Signal mixing against full two-dimensional transforms, set by set."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import signal

from gnn_readout.readouts.ssma import SSMA
from tests.readouts import ragged

D, H = 6, 2
NAME = "ssma"


def example(**arguments):
  make = functools.partial(SSMA, name=NAME, **arguments)
  elements = ragged.example(D)
  return make, elements, ragged.random_parameters(make, elements)


def linear(x, params, name):
  layer = params[f"{NAME}/~aggregate/{name}"]
  return x @ layer["w"] + layer["b"]


def polynomial(s, slots):
  """The coefficients of z - s(w), padded with zeros."""
  padded = np.zeros((slots + 1, slots * (len(s) - 1) + 1))
  padded[0, : len(s)] = -s
  padded[1, 0] = 1
  return padded


def mixed(rows, slots):
  """F^-1 of the scaled product over rows [K, D/H], as in the program."""
  spectra = np.array([np.fft.fft2(polynomial(row, slots)) for row in rows])
  size = np.exp(np.mean(np.log(np.abs(spectra) + 1e-6), axis=0))
  angle = np.sum(np.angle(spectra), axis=0)
  return np.fft.ifft2(size * np.exp(1j * angle)).real.reshape(-1)


@pytest.mark.parametrize(("slots", "heads"), [(1, 1), (2, H), (3, 1)])
def test_values(slots, heads):
  make, elements, params = example(
    num_slots=slots, num_heads=heads, temperature=0.7
  )

  def literal(x):
    logits = linear(x, params, "attend")
    logits = np.where(logits > 0, logits, 0.01 * logits) / 0.7
    weights = np.exp(logits) / np.exp(logits).sum(axis=0)  # [n, H K]
    values = []
    for h, part in enumerate(np.split(x, heads, axis=1)):
      rows = weights[:, h * slots : (h + 1) * slots].T @ part  # [K, D/H]
      values.append(linear(mixed(rows, slots), params, "mix"))
    return np.concatenate(values)

  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(literal, elements),
    atol=1e-10,
  )


@pytest.mark.parametrize("slots", [2, 11])
def test_values_without_attention(slots):
  make, elements, params = example(num_slots=slots, has_attention=False)

  def literal(x):
    return linear(mixed(x, slots), params, "mix")

  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(literal, elements),
    atol=1e-10,
  )


def test_what_is_mixed_are_the_coefficients_of_the_product():
  """The oracle itself: without the root it is a product of polynomials."""
  rows = np.random.default_rng(0).normal(size=(3, D))
  spectra = [np.fft.fft2(polynomial(row, 3)) for row in rows]
  product = np.fft.ifft2(np.prod(spectra, axis=0)).real
  factors = [polynomial(row, 3)[:2, :D] for row in rows]
  expected = functools.reduce(signal.convolve2d, factors)
  np.testing.assert_allclose(product, expected, atol=1e-12)


def test_a_single_slot_is_an_affine_map():
  """z - s(w) is transformed there and back."""
  make, elements, params = example(num_slots=1, has_attention=False)
  start = ragged.STARTS[2]
  values = ragged.pool(make, elements, params)[2]
  expected = linear(polynomial(elements[start], 1).reshape(-1), params, "mix")
  np.testing.assert_allclose(values, expected, atol=1e-4)


def test_compression_takes_the_share_of_the_numbers():
  _, _, params = example(compression=0.25)
  inner = 3 * (2 * (D - 1) + 1)
  rank = int(np.ceil(0.25 * inner * D / (inner + D)))
  shapes = [
    np.shape(params[f"{NAME}/~aggregate/{name}"]["w"])
    for name in ("compress", "mix")
  ]
  assert shapes == [(inner, rank), (rank, D)]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"num_slots": 0}, "num_slots must be positive, got 0"),
    ({"num_heads": 4}, "num_heads must divide the width 6, got 4"),
    ({"temperature": 0.0}, r"temperature must be positive, got 0\.0"),
    ({"compression": 1.5}, r"compression must be in \(0, 1\], got 1\.5"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    ragged.init(functools.partial(SSMA, **arguments), ragged.example(D))
