"""Optimal-transport pooling: its limits, closed forms and options."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import make_sets
from gnn_readout.readouts.optimal_transport import OptimalTransport

pytestmark = pytest.mark.usefixtures("double_precision")

D = 3
SIZES = (5, 0, 1, 7, 2)
N = sum(SIZES) + 2
STARTS = np.cumsum((0, *SIZES))


def readout(**kwargs):
  kwargs = {"name": "pool", **kwargs}
  return hk.without_apply_rng(
    hk.transform(
      lambda elements, sets: OptimalTransport(**kwargs)(elements, sets)
    )
  )


def elements(width=D, dtype=np.float64):
  x = np.random.default_rng(0).normal(size=(N, width)).astype(dtype)
  x[STARTS[-1] :] = np.nan
  return jnp.asarray(x)


def sets():
  return make_sets(np.array(SIZES), N)


def run(x, **kwargs):
  """Returns the result and the parameters, as drawn."""
  function = readout(**kwargs)
  params = jax.jit(function.init)(jax.random.key(0), x, sets())
  return jax.jit(function.apply)(params, x, sets()), params


def test_large_weights_give_the_mean():
  x = elements()
  result, _ = run(x, a1=1e6, a2=1e6, a3=1e6, rho=1e6)
  np.testing.assert_allclose(result.values, segments.mean(x, sets()), atol=1e-5)
  for error in result.diagnostics.values():
    np.testing.assert_allclose(error, 0, atol=1e-5)


def test_large_weights_and_a_learned_prior_give_attention():
  x = elements()
  result, params = run(
    x, solver="sinkhorn", prior="attention", a1=1e4, a2=1e9, a3=1e9
  )
  hidden = jnp.tanh(x @ params["pool"]["hidden"])
  logits = hidden @ params["pool"]["score"]
  expected = segments.softmax_mean(logits, x, sets())
  np.testing.assert_allclose(result.values, expected, atol=1e-3)
  assert np.abs(expected - segments.mean(x, sets())).max() > 0.03


def test_no_smoothing_gives_the_maximum():
  x = elements()
  result, _ = run(x, solver="sinkhorn", a1=1e-3, a2=1e4, a3=0.0)
  np.testing.assert_allclose(result.values, segments.max(x, sets()), atol=1e-4)


def test_one_element_shares_its_mass_among_the_features():
  """sinkhorn solves that exactly: p = softmax(x / (a1 + a2))."""
  x = elements()
  result, _ = run(x, solver="sinkhorn", a1=0.6, a2=0.7)
  own = np.asarray(x)[STARTS[2]]
  share = np.exp(own / 1.3) / np.exp(own / 1.3).sum()
  np.testing.assert_allclose(result.values[2], D * own * share, rtol=1e-9)
  np.testing.assert_array_equal(result.values[1], 0)


def test_one_feature_is_a_softmax_over_the_elements():
  x = elements(width=1)
  result, _ = run(x, solver="sinkhorn", a1=0.6, a3=0.7)
  expected = segments.softmax_mean(x / 1.3, x, sets())
  np.testing.assert_allclose(result.values, expected, rtol=1e-9)


def test_diagnostics_are_means_over_the_sets_that_are_not_empty():
  x = elements()
  apply = jax.jit(readout(solver="sinkhorn", a1=0.6, a2=0.7, a3=0.1).apply)
  one = apply({}, x, make_sets(np.array([5, 0, 0]), N)).diagnostics
  copies = jnp.tile(x[:5], (4, 1))[:N]
  three = apply({}, copies, make_sets(np.array([5, 5, 5]), N)).diagnostics
  assert set(one) == {"element_marginal_error", "feature_marginal_error"}
  for name, error in one.items():
    assert 0.01 < error < 2
    np.testing.assert_allclose(error, three[name], rtol=1e-12)


def test_fixed_weights_are_no_parameters():
  x = elements()
  result, params = run(x, a1=0.5, a2=1.0, a3=2.0, rho=1.0)
  assert not params
  assert np.isfinite(result.values).all()


OPTIONS = {
  "attention": {"solver": "sinkhorn", "prior": "attention"},
  "gromov": {"solver": "badmm_quadratic", "a0": None, "gromov_rank": 2},
  "proximal": {"solver": "sinkhorn_proximal", "a0": None, "gromov_rank": None},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_each_set_is_on_its_own_whatever_the_options(options):
  x = elements()
  function = readout(**OPTIONS[options])
  params = jax.jit(function.init)(jax.random.key(0), x, sets())
  apply = jax.jit(
    lambda x, sizes: function.apply(params, x, make_sets(sizes, N)).values
  )
  together = apply(x, jnp.array(SIZES))
  rng = np.random.default_rng(1)
  for s, (start, size) in enumerate(zip(STARTS, SIZES)):
    order = start + rng.permutation(size)
    own = jnp.full_like(x, np.inf).at[:size].set(x[order])
    alone = apply(own, jnp.array([size, 0, 0, 0, 0]))
    np.testing.assert_allclose(alone[0], together[s], atol=1e-10)


@pytest.mark.parametrize(
  ("options", "weights"),
  [
    ("attention", {"a1", "a2", "a3", "hidden", "score"}),
    ("gromov", {"a0", "a1", "a2", "a3", "rho", "describe"}),
    ("proximal", {"a0", "a1", "a2", "a3", "rho"}),
  ],
)
def test_gradients_are_finite_and_reach_every_weight(options, weights):
  x = elements(dtype=np.float32)
  function = readout(**OPTIONS[options])
  params = jax.jit(function.init)(jax.random.key(0), x, sets())
  gradient = jax.jit(
    jax.grad(lambda p, x: jnp.sum(function.apply(p, x, sets()).values), (0, 1))
  )
  slopes = gradient(params, x)[0]["pool"]
  assert set(slopes) == weights
  for name, slope in slopes.items():
    assert (slope != 0).any(), name
    assert slope.shape == (4,) or not name.startswith(("a", "rho"))
  for scale in (1e4, 1e-4, 0.0):
    scaled = scale * x.at[1].set(x[0])
    for leaf in jax.tree.leaves(gradient(params, scaled)):
      assert leaf.dtype == jnp.float32
      assert np.isfinite(leaf).all(), scale


def test_tied_weights_are_one_for_all_iterations():
  x = elements()
  _, apart = run(x)
  result, tied = run(x, ties_weights=True)
  assert {key: np.shape(w) for key, w in tied["pool"].items()} == {
    key: (1,) for key in apart["pool"]
  }
  function = readout()
  equal = jax.tree.map(lambda w: jnp.repeat(w, 4), tied)
  expected = jax.jit(function.apply)(equal, x, sets())
  np.testing.assert_array_equal(result.values, expected.values)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"solver": "sinkhon"}, "Did you mean 'sinkhorn'"),
    ({"prior": "learned"}, "prior must be one of attention, uniform"),
    ({"num_iterations": 0}, "num_iterations must be positive, got 0"),
    ({"gromov_rank": -1}, "gromov_rank must be positive, got -1"),
    ({"a1": 0.0}, "a1 must be positive or None, got 0.0"),
    ({"rho": np.nan}, "rho must be positive or None, got nan"),
    ({"a2": -1.0}, "a2 must be 0, positive or None, got -1.0"),
  ],
)
def test_bad_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    readout(**arguments).init(jax.random.key(0), elements(), sets())
