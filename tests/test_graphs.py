"""Sets and masks of a batch that holds every awkward kind of graph."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from gnn_readout import segments
from gnn_readout.graphs import (
  edge_mask,
  graph_mask,
  make_sets,
  message_sets,
  node_sets,
  padded_sets,
  sets_from_ids,
)
from gnn_readout.readouts import make_readout


def nasty_batch() -> jraph.GraphsTuple:
  """Two nodes, none, one, none; then a graph of padding and an empty one.

  Two directed edges 0 <-> 1, a self-loop on node 2, two edges of padding.
  """
  return jraph.GraphsTuple(
    nodes=np.zeros((5, 3), np.float32),
    edges=np.zeros((5, 2), np.float32),
    senders=np.array([1, 0, 2, 4, 4], np.int32),
    receivers=np.array([0, 1, 2, 4, 4], np.int32),
    n_node=np.array([2, 0, 1, 0, 2, 0], np.int32),
    n_edge=np.array([2, 0, 1, 0, 2, 0], np.int32),
    globals={"mask": np.array([True, True, True, True, False, False])},
  )


def literal_sets(sizes, num_elements):
  """Returns ids, mask and sizes, element by element."""
  ids = [s for s, size in enumerate(sizes) for _ in range(size)]
  mask = [True] * len(ids) + [False] * (num_elements - len(ids))
  return ids + [len(sizes)] * (num_elements - len(ids)), mask, sizes


def assert_sets(sets, ids, mask, sizes):
  np.testing.assert_array_equal(sets.segment_ids, np.array(ids, np.int32))
  np.testing.assert_array_equal(sets.mask, np.array(mask, bool))
  np.testing.assert_array_equal(sets.sizes, np.array(sizes, np.int32))
  assert sets.segment_ids.dtype == sets.sizes.dtype == jnp.int32
  assert sets.mask.dtype == bool
  assert sets.num_segments == len(sizes)


@pytest.mark.parametrize(
  ("sizes", "num_elements"),
  [
    ((3, 5, 2), 10),
    ((3, 5, 2), 17),
    ((0, 0, 7, 0, 1, 0), 11),
    ((0, 0, 0), 5),
    ((), 3),
    ((2, 0), 2),
    ((0,), 0),
    ((1, 0, 2) * 1409, 4229),  # 4227 sets: the other way to find the ids.
  ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_make_sets(sizes, num_elements, jit):
  make = jax.jit(make_sets, static_argnums=1) if jit else make_sets
  sets = make(np.array(sizes, np.int64).astype(np.int32), num_elements)
  assert_sets(sets, *literal_sets(sizes, num_elements))


@pytest.mark.parametrize(
  ("sizes", "message"),
  [
    (
      np.array([1.0, 2.0]),
      r"got shape \(2,\) and dtype float",
    ),
    (np.array([[1, 2]]), r"got shape \(1, 2\) and dtype int"),
    (np.array(3), "vector of integers"),
  ],
)
def test_sizes_must_be_a_vector_of_integers(sizes, message):
  with pytest.raises(ValueError, match=message):
    make_sets(sizes, 7)


def test_sets_are_a_pytree_with_a_static_number_of_segments():
  @jax.jit
  def zeros(sets):
    return jnp.zeros(sets.num_segments), sets

  shape, copy = zeros(make_sets(np.array([2, 3, 1]), 7))
  assert shape.shape == (3,)
  assert_sets(copy, *literal_sets((2, 3, 1), 7))


def test_sets_from_ids_with_gaps_and_padding():
  ids = np.array([0, 0, 3, 3, 3, 4, 2, 0], np.int32)  # The last two: padding.
  mask = np.arange(8) < 6
  sets = sets_from_ids(jnp.asarray(ids), jnp.asarray(mask), 7)
  assert_sets(sets, [0, 0, 3, 3, 3, 4, 7, 7], mask, [2, 0, 0, 3, 1, 0, 0])


def test_graph_mask_keeps_a_real_empty_graph_at_the_end():
  batch = nasty_batch()
  expected = [True, True, True, True, False, False]
  np.testing.assert_array_equal(graph_mask(batch), expected)
  full = batch._replace(globals={"mask": np.ones(6, bool)})
  assert np.asarray(graph_mask(full)).all()
  # Where jraph would find a graph of padding and an empty one.
  assert jraph.get_graph_padding_mask(full).sum() == 4


def test_what_jraph_pads_is_padding():
  batch = nasty_batch()._replace(
    n_node=np.array([2, 0, 3, 0], np.int32),
    n_edge=np.array([2, 0, 3, 0], np.int32),
    globals=None,
  )
  padded = jraph.pad_with_graphs(batch, 11, 13, 7)
  mask = jraph.get_graph_padding_mask(padded)
  sizes = (2, 0, 3, 0, 0, 0, 0)
  sets = node_sets(padded, mask)
  assert_sets(sets, *literal_sets(sizes, 11))
  np.testing.assert_array_equal(sets.edges.mask, np.arange(13) < 5)
  # Ours, padded by jraph once more.
  ours = batch._replace(globals={"mask": np.array([True, True, True, False])})
  again = node_sets(jraph.pad_with_graphs(ours, 11, 13, 7))
  assert_sets(again, *literal_sets(sizes, 11))


@pytest.mark.parametrize("own_globals", [None, {"labels": np.zeros((6, 1))}])
def test_a_batch_without_a_mask_has_no_padding(own_globals):
  batch = nasty_batch()._replace(globals=own_globals)
  assert np.asarray(graph_mask(batch)).all()
  assert np.asarray(edge_mask(batch)).all()
  assert_sets(node_sets(batch), *literal_sets((2, 0, 1, 0, 2, 0), 5))


@pytest.mark.parametrize("jit", [False, True])
def test_nasty_batch(jit):
  wrap = jax.jit if jit else lambda function: function
  batch = nasty_batch()
  assert_sets(
    wrap(node_sets)(batch),
    [0, 0, 2, 6, 6],
    [True, True, True, False, False],
    [2, 0, 1, 0, 0, 0],
  )
  np.testing.assert_array_equal(
    wrap(edge_mask)(batch), [True, True, True, False, False]
  )
  assert_sets(
    wrap(message_sets)(batch),
    [0, 1, 2, 5, 5],
    [True, True, True, False, False],
    [1, 1, 1, 0, 0],
  )


def test_batch_of_padding_alone():
  batch = nasty_batch()._replace(globals={"mask": np.zeros(6, bool)})
  assert_sets(node_sets(batch), [6] * 5, [False] * 5, [0] * 6)
  assert_sets(message_sets(batch), [5] * 5, [False] * 5, [0] * 5)


def test_nodes_may_be_a_nest_of_arrays():
  batch = nasty_batch()
  nested = batch._replace(nodes={"a": np.zeros((5, 1)), "b": np.zeros(5)})
  assert_sets(node_sets(nested), *literal_sets((2, 0, 1, 0, 0, 0), 5))
  assert message_sets(nested).num_segments == 5


def test_one_compilation_per_shape():
  traces = []

  @jax.jit
  def sizes(batch):
    traces.append(1)
    return node_sets(batch).sizes

  batch = nasty_batch()
  sizes(batch)
  other = batch._replace(n_node=np.array([1, 1, 0, 0, 3, 0], np.int32))
  np.testing.assert_array_equal(sizes(other), [1, 1, 0, 0, 0, 0])
  assert len(traces) == 1


def padded_example(seed=0):
  """Returns four rows of seven, their padding anywhere and full of garbage."""
  rng = np.random.default_rng(seed)
  mask = rng.uniform(size=(4, 7)) < 0.5
  mask[1], mask[3] = False, True
  elements = rng.normal(size=(4, 7, 3)).astype(np.float32)
  elements[~mask] = np.nan
  return elements, mask


@pytest.mark.parametrize("jit", [False, True])
def test_padded_sets(jit):
  elements, mask = padded_example()
  flat, sets = (jax.jit(padded_sets) if jit else padded_sets)(elements, mask)
  assert_sets(sets, *literal_sets(tuple(mask.sum(1)), 28))
  np.testing.assert_array_equal(flat[: mask.sum()], elements[mask])
  assert flat.shape == (28, 3)


@pytest.mark.parametrize("name", ["moment", "max", "attention"])
def test_readouts_of_padded_sets_as_of_ragged_sets(name):
  """And in a batch of tables as of each table."""
  arguments = {"num_heads": 3} if name == "attention" else {}

  def forward(elements, sets):
    return make_readout(name, **arguments)(elements, sets).values

  function = hk.without_apply_rng(hk.transform(forward))
  tables = [padded_example(seed) for seed in (0, 1)]
  elements, mask = map(np.stack, zip(*tables))
  params = function.init(jax.random.key(0), *padded_sets(*tables[0]))
  padded = lambda *table: function.apply(params, *padded_sets(*table))
  values = jax.jit(jax.vmap(padded))(elements, mask)
  for value, (rows, own) in zip(values, tables):
    sets = make_sets(own.sum(1), own.sum())
    expected = jax.jit(function.apply)(params, rows[own], sets)
    np.testing.assert_allclose(value, expected, atol=1e-5)


def test_the_gradient_of_padding_is_zero():
  elements, mask = padded_example()

  def loss(elements):
    flat, sets = padded_sets(elements, mask)
    return jnp.sum(segments.sum(flat, sets) ** 2)

  gradient = np.asarray(jax.grad(loss)(elements))
  np.testing.assert_array_equal(gradient[~mask], 0)
  assert np.abs(gradient[mask]).min() > 0


@pytest.mark.parametrize(
  ("elements", "mask", "message"),
  [
    ((4, 3), np.ones(4, bool), r"\[B, M, D\], got \(4, 3\)"),
    ((4, 3, 2), np.ones((4, 2), bool), r"shape \(4, 3\), got bool of shape"),
    ((4, 3, 2), np.ones((4, 3)), "mask must be boolean .* got float"),
  ],
)
def test_padded_sets_that_do_not_fit(elements, mask, message):
  with pytest.raises(ValueError, match=message):
    padded_sets(np.zeros(elements, np.float32), mask)
