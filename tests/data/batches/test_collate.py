"""Tests of collate.py."""

import dataclasses

import jax
import jraph
import numpy as np
import pytest

from gnn_readout.data.batches import budgets
from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import collate


def _slow(store, graphs, budget):
  """The batch, graph by graph."""
  nodes = np.zeros((budget.num_nodes, store.nodes.shape[1]), store.nodes.dtype)
  edges = np.zeros((budget.num_edges, store.edges.shape[1]), store.edges.dtype)
  senders = np.full(budget.num_edges, budget.num_nodes - 1, np.int32)
  receivers = senders.copy()
  n_node = np.zeros(budget.num_graphs, np.int32)
  n_edge = np.zeros(budget.num_graphs, np.int32)
  labels = np.full((budget.num_graphs, store.labels.shape[1]), np.nan)
  mask = np.zeros(budget.num_graphs, bool)
  index = np.full(budget.num_graphs, -1, np.int32)
  node = edge = 0
  for slot, g in enumerate(graphs):
    own_nodes = slice(store.node_offsets[g], store.node_offsets[g + 1])
    own_edges = slice(store.edge_offsets[g], store.edge_offsets[g + 1])
    n, e = len(store.nodes[own_nodes]), len(store.edges[own_edges])
    nodes[node : node + n] = store.nodes[own_nodes]
    edges[edge : edge + e] = store.edges[own_edges]
    senders[edge : edge + e] = store.senders[own_edges] + node
    receivers[edge : edge + e] = store.receivers[own_edges] + node
    n_node[slot], n_edge[slot], index[slot] = n, e, g
    labels[slot], mask[slot] = store.labels[g], True
    node, edge = node + n, edge + e
  n_node[len(graphs)] = budget.num_nodes - node
  n_edge[len(graphs)] = budget.num_edges - edge
  return jraph.GraphsTuple(
    nodes=nodes,
    edges=edges,
    senders=senders,
    receivers=receivers,
    n_node=n_node,
    n_edge=n_edge,
    globals={
      "labels": labels.astype(np.float32),
      "mask": mask,
      "index": index,
    },
  )


def assert_same(got, want):
  def same(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)

  jax.tree.map(same, got, want)


def test_equals_graph_by_graph(nasty_store):
  rng = np.random.default_rng(2)
  counts = [7, 3, 0, 7, 1, 6]
  graphs = rng.permutation(nasty_store.num_graphs)[: sum(counts)]
  offsets = np.concatenate([[0], np.cumsum(counts)])
  parts = np.split(graphs, offsets[1:-1])
  shapes = []
  for i, part in enumerate(parts):
    nodes = int(nasty_store.num_nodes[part].sum())
    edges = int(nasty_store.num_edges[part].sum())
    # Exactly full, but for the padding node; then more and more padding.
    shapes.append(Budget(8, nodes + 1 + 5 * i, edges + 11 * i))
  for g, part, shape in zip(
    collate(nasty_store, graphs, offsets, shapes), parts, shapes, strict=True
  ):
    assert_same(g, _slow(nasty_store, part, shape))


def test_more_padding_than_the_store_has_rows(make_store):
  store = make_store([3, 0, 2], [4, 0, 1])
  graphs, shape = np.array([2, 1]), Budget(5, 101, 97)
  (batch,) = collate(store, graphs, np.array([0, 2]), [shape])
  assert_same(batch, _slow(store, graphs, shape))


@pytest.mark.parametrize("num_nodes", [[3, 0, 2], [0, 0, 0]])
def test_a_store_without_edges_or_nodes(make_store, num_nodes):
  store = make_store(num_nodes, [0, 0, 0])
  graphs, shape = np.array([0, 1, 2]), budgets.enclosing(3, 5, 0)
  (batch,) = collate(store, graphs, np.array([0, 3]), [shape])
  assert_same(batch, _slow(store, graphs, shape))


def test_padding_convention(nasty_store):
  graphs = np.arange(5)
  nodes = int(nasty_store.num_nodes[:5].sum())
  edges = int(nasty_store.num_edges[:5].sum())
  (batch,) = collate(
    nasty_store, graphs, np.array([0, 5]), [Budget(8, nodes + 7, edges + 3)]
  )
  assert batch.n_node.sum() == nodes + 7 and batch.n_edge.sum() == edges + 3
  np.testing.assert_array_equal(batch.n_node[5:], [7, 0, 0])
  np.testing.assert_array_equal(batch.n_edge[5:], [3, 0, 0])
  np.testing.assert_array_equal(batch.globals["mask"], [True] * 5 + [False] * 3)
  np.testing.assert_array_equal(
    batch.globals["index"], [0, 1, 2, 3, 4] + [-1] * 3
  )
  assert np.isnan(batch.globals["labels"][5:]).all()
  assert (batch.senders[edges:] == nodes + 6).all()
  assert (batch.receivers[edges:] == nodes + 6).all()
  assert (np.diff(batch.receivers) >= 0).all()
  assert not batch.nodes[nodes:].any() and batch.nodes[:nodes].all()
  assert not batch.edges[edges:].any() and batch.edges[:edges].all()


def test_real_valued_features_and_labels_keep_their_type(make_store):
  store = make_store([3, 4, 2])
  store = dataclasses.replace(
    store, nodes=store.nodes.astype(np.float32), edges=store.edges[:, :0]
  )
  graphs, shape = np.array([1, 2]), Budget(3, 16, 64)
  (batch,) = collate(store, graphs, np.array([0, 2]), [shape])
  assert batch.nodes.dtype == np.float32 and batch.edges.shape == (64, 0)
  assert_same(batch, _slow(store, graphs, shape))
