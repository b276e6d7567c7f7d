"""The contract of a readout that looks at edges as well."""

from __future__ import annotations

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import make_readout
from tests.test_fused_gromov import SIZES, N, graphs

pytestmark = pytest.mark.usefixtures("double_precision")

OUT = 6


@pytest.fixture(scope="module")
def readout():
  f = hk.without_apply_rng(
    hk.transform(
      lambda x, sets: make_readout("template_gromov", OUT)(x, sets).values
    )
  )
  with jax.enable_x64(True):
    elements, sets, _ = graphs()
    params = jax.jit(f.init)(jax.random.key(0), elements, sets)
  apply = jax.jit(f.apply)
  return lambda *arguments: np.asarray(apply(params, *arguments)), f, params


def test_order_of_nodes_and_of_edges_does_not_matter(readout):
  pool, *_ = readout
  elements, sets, _ = graphs()
  rng = np.random.default_rng(4)
  starts = np.cumsum((0, *SIZES))
  order = np.concatenate(
    [rng.permutation(np.arange(a, b)) for a, b in zip(starts, starts[1:])]
    + [np.arange(starts[-1], N)]
  )
  places = jnp.asarray(np.argsort(order), jnp.int32)
  shuffle = rng.permutation(len(sets.edges.mask))
  edges = dataclasses.replace(
    sets.edges,
    senders=places[sets.edges.senders][shuffle],
    receivers=places[sets.edges.receivers][shuffle],
    mask=sets.edges.mask[shuffle],
  )
  moved = dataclasses.replace(sets, edges=edges)
  np.testing.assert_allclose(
    pool(elements[order], moved), pool(elements, sets), atol=1e-10
  )


@pytest.mark.parametrize("garbage", [1e30, np.inf, np.nan])
def test_what_padding_holds_does_not_matter(readout, garbage):
  pool, *_ = readout
  elements, sets, _ = graphs()
  dirty = elements.at[sum(SIZES) :].set(garbage)
  np.testing.assert_array_equal(pool(dirty, sets), pool(elements, sets))


@pytest.mark.parametrize("fault", [np.inf, np.nan])
def test_a_fault_shows_in_its_own_graph(readout, fault):
  pool, *_ = readout
  elements, sets, _ = graphs()
  values = pool(elements.at[7, 1].set(fault), sets)
  others = np.array([0, 1, 2, 4])
  np.testing.assert_array_equal(values[others], pool(elements, sets)[others])
  assert np.isnan(values[3]).all()


def test_edges_matter_in_their_own_graph_alone(readout):
  pool, *_ = readout
  elements, sets, _ = graphs()
  is_kept = sets.edges.mask & (sets.segment_ids[sets.edges.senders] != 3)
  fewer = dataclasses.replace(
    sets, edges=dataclasses.replace(sets.edges, mask=is_kept)
  )
  before, after = pool(elements, sets), pool(elements, fewer)
  changed = np.abs(after - before).max(axis=1) > 1e-6
  np.testing.assert_array_equal(changed, np.arange(len(SIZES)) == 3)


def test_second_derivative_and_vmap(readout):
  _, f, params = readout
  batch = [graphs()[0], -graphs()[0]]
  _, sets, _ = graphs()
  pool = lambda x: f.apply(params, x, sets)

  def slopes(x):
    return jax.grad(lambda x: jnp.sum(jnp.square(pool(x))))(x)

  second = jax.jit(jax.grad(lambda x: jnp.sum(jnp.square(slopes(x)))))
  assert np.isfinite(second(batch[0])).all()
  mapped = jax.jit(jax.vmap(pool))(jnp.stack(batch))
  expected = [jax.jit(pool)(x) for x in batch]
  np.testing.assert_allclose(mapped, expected, atol=1e-10)


def test_sets_without_edges_are_refused():
  f = hk.transform(
    lambda x, sets: make_readout("template_gromov")(x, sets).values
  )
  elements = jnp.ones((3, 2))
  with pytest.raises(ValueError, match="template_gromov needs the edges"):
    f.init(jax.random.key(0), elements, make_sets(np.array([3]), 3))


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"num_templates": 0}, "num_templates must be positive, got 0"),
    ({"alpha": 1.5}, r"alpha must be in \[0, 1\], got 1\.5"),
    ({"epsilon": 0.0}, r"epsilon must be positive, got 0\.0"),
  ],
)
def test_bad_arguments(arguments, message):
  make = hk.transform(lambda: make_readout("template_gromov", **arguments))
  with pytest.raises(ValueError, match=message):
    make.init(None)
