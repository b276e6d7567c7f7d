"""Generalised f-means against the authors' program, and known f."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.generalised import Generalised
from tests.readouts import ragged

NAME = "generalised"
MAKE = functools.partial(Generalised, name=NAME)


def layer(params, network, k):
  return params[f"{NAME}/~aggregate/{network}_{k}"]


def example():
  elements = ragged.example()
  return elements, ragged.random_parameters(MAKE, elements)


def with_loss(elements, params):
  """Returns the values and auxiliary losses."""
  sets = make_sets(np.array(ragged.SIZES), ragged.N)
  f = hk.without_apply_rng(hk.transform(lambda x: MAKE()(x, sets)[:2]))
  with jax.enable_x64(True):
    return jax.tree.map(np.asarray, jax.jit(f.apply)(params, elements))


def literal(x, params):
  """Value [D] and auxiliary loss of one set [n, D], number by number."""

  def network(value, name):
    h = np.array([value]) if name == "f" else value
    for k in range(3):
      if k:
        h = h * np.tanh(np.log1p(np.exp(h)))
      own = layer(params, name, k)
      h = h @ own["w"] + own["b"]
    return h

  a, b = (float(params[NAME][key]) for key in "ab")
  z = x - b * x.mean(axis=0)
  values = []
  for column in z.T:
    total = sum(network(value, "f") for value in column)
    values.append(network(len(x) ** (a - 1) * total, "g")[0])
  errors = [
    (abs(v) - abs(network(network(v, "f"), "g")[0])) ** 2 for v in z.flat
  ]
  return np.array(values), np.mean(errors)


def test_values_and_auxiliary_losses():
  elements, params = example()
  values, losses = with_loss(elements, params)
  both = functools.partial(literal, params=params)
  np.testing.assert_allclose(
    values, ragged.each(lambda x: both(x)[0], elements), rtol=1e-10
  )
  np.testing.assert_allclose(
    losses, ragged.each(lambda x: both(x)[1], elements), rtol=1e-10
  )


@pytest.mark.xdist_group("pyg")
def test_as_in_the_authors_program():
  # Not of the peers, as it requires a service for logging: --no-deps.
  genagg = pytest.importorskip("genagg")
  import torch

  elements, params = example()
  network = genagg.MLPAutoencoder(
    batchnorm=False, jit=False, enforce_inverse=False, init=None
  )
  theirs = genagg.GenAgg(network).double()
  for name, own in (("net_for", "f"), ("net_rev", "g")):
    linears = list(getattr(network, name))[::2]
    for k, linear in enumerate(linears):
      ragged.set_linear(linear, layer(params, own, k))
  with torch.no_grad():
    for key in "ab":
      getattr(theirs, key).copy_(torch.tensor(params[NAME][key]))
  # An empty set gives g(0) there.
  filled = np.array(ragged.SIZES) > 0
  np.testing.assert_allclose(
    ragged.pool(MAKE, elements, params)[filled],
    ragged.peer(theirs, elements)[filled],
    rtol=1e-10,
  )


@pytest.mark.parametrize(
  ("a", "b", "function"),
  [(0, 0, np.mean), (1, 0, np.sum), (0, 1, lambda x, axis: 0 * x.mean(axis))],
)
def test_with_a_linear_network_it_is_mean_sum_and_first_moment(a, b, function):
  """One layer and its inverse: f(x) = 2 x, g(x) = x / 2."""
  make = functools.partial(MAKE, (1,))
  params = {
    NAME: {"a": np.float64(a), "b": np.float64(b)},
    f"{NAME}/~aggregate/f_0": {"w": np.array([[2.0]]), "b": np.zeros(1)},
    f"{NAME}/~aggregate/g_0": {"w": np.array([[0.5]]), "b": np.zeros(1)},
  }
  elements = ragged.example()
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(functools.partial(function, axis=0), elements),
    atol=1e-14,
  )


def test_networks_and_exponents_at_the_start():
  params = ragged.init(MAKE, ragged.example())
  shapes = [
    [np.shape(layer(params, name, k)["w"]) for k in range(3)] for name in "fg"
  ]
  assert shapes == [[(1, 2), (2, 2), (2, 4)], [(4, 2), (2, 2), (2, 1)]]
  assert params[NAME]["a"] == params[NAME]["b"] == 0


@pytest.mark.parametrize("widths", [(), (2, 0)])
def test_bad_widths(widths):
  with pytest.raises(ValueError, match="widths must be"):
    ragged.init(functools.partial(Generalised, widths), ragged.example())
