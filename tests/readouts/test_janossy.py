"""Janossy pooling pair by pair, and its random estimate."""

from __future__ import annotations

import functools
import itertools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.layers.pair_network import PairNetwork
from gnn_readout.readouts.janossy import Janossy, drawn_row_sums

pytestmark = pytest.mark.usefixtures("double_precision")

D, OUT, WIDTHS = 3, 5, (7, 11)
SIZES = (3, 0, 1, 13, 2)
N = sum(SIZES) + 5
SETS = make_sets(np.array(SIZES), N)


def readout(**kwargs):
  kwargs = {"pair_widths": WIDTHS, "output_size": OUT, **kwargs}
  return hk.transform(
    lambda x, is_training=False: (
      Janossy(**kwargs, name="janossy")(x, SETS, is_training).values
    )
  )


def example():
  rng = np.random.default_rng(0)
  sizes = (2 * D, *WIDTHS)
  pairs = {}
  for k, (fan_in, width) in enumerate(itertools.pairwise(sizes)):
    pairs[f"w_{k}"] = rng.normal(size=(fan_in, width))
    pairs[f"b_{k}"] = rng.normal(size=width)
  project = {"w": rng.normal(size=(sizes[-1], OUT)), "b": rng.normal(size=OUT)}
  params = {"janossy": pairs, "janossy/~aggregate/project": project}
  return jnp.asarray(rng.normal(size=(N, D))), params


def literal(elements, params, reduction):
  """The sum of f over ordered pairs, or its mean, set by set."""
  pairs, project = params["janossy"], params["janossy/~aggregate/project"]

  def f(a, b):
    h = np.concatenate([a, b])
    for k in range(len(WIDTHS)):
      h = np.tanh(h @ pairs[f"w_{k}"] + pairs[f"b_{k}"])
    return h @ project["w"] + project["b"]

  rows = []
  for start, n in zip(np.cumsum((0, *SIZES)), SIZES):
    x = np.asarray(elements)[start : start + n]
    values = [f(a, b) for a, b in itertools.permutations(x, 2)]
    if n == 1:
      values = [f(x[0], np.zeros(D))]
    total = np.sum(values, axis=0) if n else np.zeros(OUT)
    rows.append(total / (len(values) if reduction == "mean" and n else 1))
  return np.stack(rows)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_ordered_pair(reduction):
  elements, params = example()
  f = readout(reduction=reduction)
  values = jax.jit(f.apply)(params, None, elements)
  np.testing.assert_allclose(
    values, literal(elements, params, reduction), atol=1e-11
  )


def test_a_second_argument_ignored_leaves_the_mean():
  elements, params = example()
  params["janossy"]["w_0"][D:] = 0
  apply = jax.jit(readout().apply)
  values = apply(params, None, elements)
  # What each element of the fourth set gives alone, as the third set.
  rows = [
    apply(params, None, elements.at[3].set(elements[i]))[2]
    for i in range(4, 17)
  ]
  np.testing.assert_allclose(values[3], np.mean(rows, axis=0), atol=1e-12)


def test_evaluation_takes_all_pairs():
  elements, params = example()
  apply = jax.jit(readout(num_partners=2).apply, static_argnums=3)
  expected = literal(elements, params, "mean")
  np.testing.assert_allclose(
    apply(params, None, elements, False), expected, atol=1e-11
  )
  drawn = apply(params, jax.random.key(0), elements, True)
  # Sets of up to two elements leave no choice.
  np.testing.assert_allclose(
    drawn[np.array([1, 2, 4])], expected[np.array([1, 2, 4])], atol=1e-11
  )
  assert np.abs(drawn[3] - expected[3]).max() > 1e-3


def test_partners_are_others_of_the_same_set_all_equally_likely():
  """A network that returns who the partner was."""
  draws = 2000
  network = PairNetwork(jnp.zeros((N, N)), jnp.eye(N), (), lambda h: h)
  draw = functools.partial(drawn_row_sums, network, SETS, 3)
  total = np.asarray(
    jax.jit(lambda keys: jnp.mean(jax.vmap(draw)(keys), axis=0))(
      jax.random.split(jax.random.key(0), draws)
    )
  )
  ids = np.asarray(SETS.segment_ids)
  expected = (ids[:, None] == ids[None, :]) & (ids < len(SIZES))[:, None]
  expected = expected & ~np.eye(N, dtype=bool)
  assert (total[~expected] == 0).all()
  # The estimate's own spread is at most sqrt(12 / (3 draws)) = 0.045.
  np.testing.assert_allclose(total[expected], 1, atol=0.25)


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"pair_widths": ()}, "pair_widths must be None or positive"),
    ({"pair_widths": (3, 0)}, "pair_widths must be None or positive"),
    ({"num_partners": 0}, "num_partners must be positive, got 0"),
    ({"reduction": "max"}, "reduction must be one of .*, got 'max'"),
  ],
)
def test_bad_arguments(kwargs, message):
  with pytest.raises(ValueError, match=message):
    readout(**kwargs).init(jax.random.key(0), example()[0])
