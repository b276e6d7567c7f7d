"""One test of the contract over the whole table of networks."""

from __future__ import annotations

import functools
import types

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from gnn_readout.message_passing import NETWORKS, make_network, network_class

pytestmark = pytest.mark.usefixtures("double_precision")

WIDTH = 7
SCHEMA = types.SimpleNamespace(
  node_sizes=(5, 3), edge_sizes=(3, 2), symmetric=False
)
# Nodes and directed edges of each graph: without edges, without nodes.
GRAPHS = (
  (3, ((0, 1), (1, 0), (2, 1))),
  (2, ()),
  (0, ()),
  (5, ((1, 0), (2, 0), (3, 0), (4, 0), (0, 3))),
)


@functools.cache
def network(name):
  def forward(batch, is_training):
    made = make_network(name, SCHEMA, width=WIDTH, num_layers=2)
    return made(batch, is_training)

  transformed = hk.transform_with_state(forward)
  init = jax.jit(lambda key: transformed.init(key, example(), True))
  params, state = init(jax.random.key(3))
  apply = jax.jit(
    lambda params, batch: transformed.apply(params, state, None, batch, False)
  )
  return params, lambda params, batch: apply(params, batch)[0]


def example(graphs=(0, 1, 2, 3), order=None, padding=(4, 6), garbage=0):
  """Returns a padded batch of some graphs, the nodes of the last reordered."""
  rng = np.random.default_rng(0)
  drawn = [
    (
      rng.integers(0, SCHEMA.node_sizes, (n, 2)),
      rng.integers(0, SCHEMA.edge_sizes, (len(edges), 2)),
    )
    for n, edges in GRAPHS
  ]
  nodes, rows, first = [], [], 0
  for g in graphs:
    n, edges = GRAPHS[g]
    places = np.arange(n) if order is None or g < 3 else np.array(order)
    features = np.zeros((n, 2), int)
    features[places] = drawn[g][0]
    nodes.append(features)
    found = [
      (first + places[v], first + places[u], *drawn[g][1][i])
      for i, (u, v) in enumerate(edges)
    ]
    rows += sorted(found)
    first += n
  num_nodes = first + padding[0]
  nodes.append(np.full((padding[0], 2), garbage))
  num_real = len(rows)
  rows += [(num_nodes - 1, num_nodes - 1, garbage, garbage)] * padding[1]
  receivers, senders, *features = np.array(rows, np.int32).T
  return jraph.GraphsTuple(
    nodes=np.concatenate(nodes).astype(np.uint8),
    edges=np.stack(features, 1).astype(np.uint8),
    senders=senders,
    receivers=receivers,
    n_node=np.array([*(GRAPHS[g][0] for g in graphs), padding[0]], np.int32),
    n_edge=np.array(
      [*(len(GRAPHS[g][1]) for g in graphs), len(rows) - num_real], np.int32
    ),
    globals={"mask": np.arange(len(graphs) + 1) < len(graphs)},
  )


def states_of(name, batch):
  params, apply = network(name)
  states, aux_loss = apply(params, batch)
  num_real = batch.n_node[:-1].sum()
  return np.stack([state[:num_real] for state in states]), aux_loss


EVERY = pytest.mark.parametrize("name", sorted(NETWORKS))


@EVERY
def test_shapes_and_finite(name):
  states, aux_loss = states_of(name, example())
  assert states.shape[1:] == (10, WIDTH)
  assert aux_loss.shape == (len(GRAPHS) + 1,)
  assert np.isfinite(states).all() and np.isfinite(aux_loss).all()
  assert states.std() > 1e-3


@EVERY
def test_order_padding_and_company_do_not_matter(name):
  expected, _ = states_of(name, example())
  order = [3, 0, 4, 2, 1]
  moved, _ = states_of(name, example(order=order))
  np.testing.assert_allclose(moved[:, :5], expected[:, :5], atol=1e-12)
  np.testing.assert_allclose(
    moved[:, 5 + np.array(order)], expected[:, 5:], atol=1e-12
  )
  padded, _ = states_of(name, example(padding=(9, 13), garbage=1))
  np.testing.assert_allclose(padded, expected, atol=1e-12)
  alone, _ = states_of(name, example(graphs=[3]))
  np.testing.assert_allclose(alone, expected[:, 5:], atol=1e-12)


@EVERY
def test_gradients_are_finite_and_reach_every_layer(name):
  params, apply = network(name)
  batch = example()
  weights = jnp.asarray(np.random.default_rng(1).normal(size=(14, WIDTH)))

  def loss(params):
    states, aux_loss = apply(params, batch)
    return jnp.sum(states[-1] * weights) + jnp.sum(aux_loss)

  gradients = jax.grad(loss)(params)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
  for module, leaves in gradients.items():
    moved = [np.abs(leaf).max() for leaf in jax.tree.leaves(leaves)]
    assert max(moved) > 0, module


@EVERY
def test_multiply_adds_grow_with_the_layers_and_the_square_of_the_width(name):
  def count(width, num_layers):
    made = make_network(name, SCHEMA, width=width, num_layers=num_layers)
    return made.multiply_adds()

  assert count(2 * WIDTH, 3) == 4 * count(WIDTH, 3) == 12 * count(WIDTH, 1) > 0


def test_a_network_says_what_it_takes():
  assert list(network_class("gcn").arguments("gcn")) == [
    "width",
    "num_layers",
    "dropout",
    "virtual_node",
    "jumping",
  ]
  assert "aggregator" in network_class("aggregate").arguments("aggregate")
  with pytest.raises(ValueError, match="Unknown message .*Did you mean 'gcn'"):
    make_network("gcm", SCHEMA, width=3, num_layers=1)
  with pytest.raises(ValueError, match="'gcn' takes no .*mean 'virtual_node'"):
    make_network("gcn", SCHEMA, width=3, num_layers=1, virtual=True)
  with pytest.raises(ValueError, match="'gin' needs the argument 'width'"):
    make_network("gin", SCHEMA, num_layers=1)
