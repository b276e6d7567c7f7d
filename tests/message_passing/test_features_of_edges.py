"""Edge features of any kind reach what they should, against a loop."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.message_passing import make_network, messages
from gnn_readout.message_passing.gin_tu import NeighbourLinear
from gnn_readout.message_passing.networks import LAYERS
from tests.message_passing.test_messages import (
  REAL_NODES,
  D,
  N,
  batch_of,
  directed_edges,
)

KINDS = {"none": ((), 0), "numbers": ((), 2), "categories": ((3, 2), 0)}
KINDS["both"] = (3, 2), 2


def draw(sizes, num_values, count, seed=1):
  rng = np.random.default_rng(seed)
  columns = [rng.integers(0, size, count) for size in sizes]
  columns += [*rng.normal(size=(num_values, count))]
  if not columns:
    return np.zeros((count, 0), np.float32)
  return np.stack(columns, axis=1)


def raw(features, sizes):
  blocks = [np.eye(n)[features[:, f].astype(int)] for f, n in enumerate(sizes)]
  return np.concatenate([*blocks, features[:, len(sizes) :]], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_of_messages_and_its_gradient(kind):
  sizes, num_values = KINDS[kind]
  senders, receivers = directed_edges()
  features = draw(sizes, num_values, len(senders))
  rng = np.random.default_rng(2)
  encoded = raw(features, sizes)
  x, table = rng.normal(size=(N, D)), rng.normal(size=(encoded.shape[1], D))
  with jax.enable_x64(True):
    batch = batch_of(senders, receivers, features)

    def total(x, table):
      edges = messages.prepare(batch, sizes)
      weight = edges.mask.astype(x.dtype)
      return messages.relu_sum(x, table, weight, edges)

    y, pull = jax.vjp(jax.jit(total), jnp.asarray(x), jnp.asarray(table))
    slopes = rng.normal(size=(N, D))
    _, d_table = pull(jnp.asarray(slopes))
  sent = x[senders] + encoded @ table
  for v in range(REAL_NODES):
    expected = np.maximum(sent[receivers == v], 0).sum(axis=0)
    np.testing.assert_allclose(y[v], expected, atol=1e-10)
  d_table_expected = encoded.T @ ((sent > 0) * slopes[receivers])
  np.testing.assert_allclose(d_table, d_table_expected, atol=1e-10)


class Schema:
  """What a network asks of a schema."""

  node_sizes, edge_sizes, symmetric = (4,), (3,), False


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_uses_numbers_and_categories_of_nodes_and_edges(name):
  senders, receivers = directed_edges()
  batch = batch_of(senders, receivers, draw((3,), 2, len(senders)))
  nodes = draw((4,), 3, N)
  network = hk.without_apply_rng(
    hk.transform_with_state(
      lambda batch: make_network(name, Schema(), width=5, num_layers=1)(
        batch, False
      )[0][0]
    )
  )
  batch = batch._replace(nodes=jnp.asarray(nodes, jnp.float32))
  params, state = jax.jit(network.init)(jax.random.key(0), batch)

  def loss(params, numbers):
    table = jnp.concatenate([batch.edges[:, :1], numbers], axis=1)
    h, _ = network.apply(params, state, batch._replace(edges=table))
    return jnp.sum(h[:REAL_NODES] ** 2)

  numbers = jnp.asarray(batch.edges[:, 1:], jnp.float32)
  slopes, of_numbers = jax.jit(jax.grad(loss, (0, 1)))(params, numbers)
  bonds = slopes[f"{name}/layer_0"]["bonds"]
  assert bonds.shape == (3 + 2, 5)
  assert slopes["nodes"]["table"].shape == (4, 5)
  assert slopes["nodes/linear"]["w"].shape == (3, 5)
  for rows in (bonds[:3], bonds[3:], *jax.tree.leaves(slopes["nodes/linear"])):
    assert np.abs(rows).max() > 1e-6
  assert np.abs(of_numbers).max() > 1e-6


def test_blocks_take_both_kinds_of_nodes():
  senders, receivers = directed_edges()
  nodes = draw((4,), 3, N)
  batch = batch_of(senders, receivers, draw((), 0, len(senders)))

  def forward(nodes):
    edges = messages.prepare(batch._replace(edges=None), ())
    return NeighbourLinear(5, (4,), name="map")(nodes, edges)

  function = hk.without_apply_rng(hk.transform(forward))
  with jax.enable_x64(True):
    params = jax.jit(function.init)(jax.random.key(0), jnp.asarray(nodes))
    y = jax.jit(function.apply)(params, jnp.asarray(nodes))
  w, b = (np.asarray(params["map"][name]) for name in "wb")
  assert w.shape == (4 + 3, 5)
  mapped = raw(nodes, (4,)) @ w
  for v in range(REAL_NODES):
    expected = mapped[v] + mapped[senders[receivers == v]].sum(axis=0) + b
    np.testing.assert_allclose(y[v], expected, atol=1e-10)
