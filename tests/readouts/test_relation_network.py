"""Relation network pair by pair, its limits and its memory."""

from __future__ import annotations

import itertools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts.relation_network import RelationNetwork
from tests.readouts import ragged

pytestmark = pytest.mark.usefixtures("double_precision")

D, OUT, PAIR, SUM = 3, 5, (7, 11), (13,)
SIZES = (3, 0, 1, 13, 2)
N = sum(SIZES) + 5
INSIDE = "readout/~aggregate/"


def readout(**kwargs):
  kwargs = {
    "pair_widths": PAIR,
    "sum_widths": SUM,
    "output_size": OUT,
    **kwargs,
  }
  return hk.without_apply_rng(
    hk.transform(
      lambda x, sets: RelationNetwork(**kwargs, name="readout")(x, sets).values
    )
  )


def example():
  rng = np.random.default_rng(0)
  pairs = {}
  for k, (fan_in, width) in enumerate(itertools.pairwise((2 * D, *PAIR))):
    pairs[f"w_{k}"] = rng.normal(size=(fan_in, width))
    pairs[f"b_{k}"] = rng.normal(size=width)
  draw = lambda a, b: {"w": rng.normal(size=(a, b)), "b": rng.normal(size=b)}
  params = {
    "readout": pairs,
    INSIDE + "sum_0": draw(PAIR[-1], SUM[0]),
    INSIDE + "project": draw(SUM[0], OUT),
  }
  sets = make_sets(np.array(SIZES), N)
  return params, jnp.asarray(rng.normal(size=(N, D))), sets


def g(a, b, params):
  h = np.concatenate([a, b])
  for k in range(len(PAIR)):
    h = h @ params["readout"][f"w_{k}"] + params["readout"][f"b_{k}"]
    h = np.maximum(h, 0)
  return h


def f(h, params):
  inner, last = params[INSIDE + "sum_0"], params[INSIDE + "project"]
  return np.maximum(h @ inner["w"] + inner["b"], 0) @ last["w"] + last["b"]


def test_every_ordered_pair_with_itself_too():
  params, elements, sets = example()
  rows = []
  for start, n in zip(np.cumsum((0, *SIZES)), SIZES):
    x = np.asarray(elements)[start : start + n]
    pairs = [g(a, b, params) for a, b in itertools.product(x, x)]
    rows.append(f(sum(pairs, np.zeros(PAIR[-1])), params))
  values = jax.jit(readout().apply)(params, elements, sets)
  np.testing.assert_allclose(values, rows, rtol=1e-11, atol=1e-11)


def test_a_network_of_one_element_counts_it_n_times():
  params, elements, sets = example()
  params["readout"]["w_0"][D:] = 0
  x = np.asarray(elements)[4:17]
  values = jax.jit(readout().apply)(params, elements, sets)
  total = 13 * sum(g(a, a, params) for a in x)
  np.testing.assert_allclose(values[3], f(total, params), rtol=1e-11)


def test_widths_by_default():
  _, elements, sets = example()
  init = readout(pair_widths=None, sum_widths=None, output_size=None).init
  params = jax.eval_shape(init, jax.random.key(0), elements, sets)
  shapes = jax.tree.map(jnp.shape, dict(params))
  assert len(shapes["readout"]) == 8
  assert shapes["readout"]["w_3"] == (D, D)
  assert shapes[INSIDE + "sum_1"]["w"] == (D, D)
  assert shapes[INSIDE + "project"]["w"] == (D, D)


def test_memory_of_large_sets():
  """Sets of up to 3,782 elements, 14,000 in all, gradient included."""
  f = readout(pair_widths=(64, 64))
  assert ragged.memory_of_large_sets(f) < 0.5e9


@pytest.mark.parametrize("argument", ["pair_widths", "sum_widths"])
@pytest.mark.parametrize("widths", [(), (3, 0)])
def test_bad_widths(argument, widths):
  with pytest.raises(ValueError, match=f"{argument} must be None or positive"):
    readout(**{argument: widths}).init(jax.random.key(0), *example()[1:])
