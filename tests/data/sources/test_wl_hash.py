"""Copies of a graph are found in any order of its nodes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gnn_readout.data.building import build_store
from gnn_readout.data.sources import wl_hash
from gnn_readout.data.store import Schema


def make(graphs, real_values=False):
  """Returns a store of graphs given as (node labels, [(u, v, edge label)])."""
  nodes = np.concatenate([labels for labels, _ in graphs]).reshape(-1, 1)
  edges = np.concatenate(
    [np.reshape(edges, (-1, 3)) for _, edges in graphs]
  ).astype(int)
  sizes = ((), ()) if real_values else ((7,), (5,))
  schema = Schema(
    name="small",
    task_type="multiclass",
    num_tasks=1,
    num_classes=41,
    metric="accuracy",
    node_sizes=sizes[0],
    edge_sizes=sizes[1],
    node_dim=1,
    edge_dim=1,
    task_names=("class",),
  )
  return build_store(
    schema,
    num_nodes=np.array([len(labels) for labels, _ in graphs]),
    num_edges=np.array([len(edges) for _, edges in graphs]),
    nodes=nodes,
    edges=edges[:, 2:],
    senders=edges[:, 0],
    receivers=edges[:, 1],
    labels=np.arange(len(graphs), dtype=np.float32)[:, None],
    splits={},
  )


def both_ways(pairs):
  return [(u, v, 0) for u, v in pairs] + [(v, u, 0) for u, v in pairs]


def shuffled(graph, seed):
  labels, edges = graph
  rng = np.random.default_rng(seed)
  place = rng.permutation(len(labels))
  moved = np.empty(len(labels), int)
  moved[place] = labels
  edges = [(place[u], place[v], e) for u, v, e in edges]
  return moved, [edges[i] for i in rng.permutation(len(edges))]


PATH = (np.array([1, 2, 1, 3]), both_ways([(0, 1), (1, 2), (2, 3)]))
STAR = (np.array([1, 2, 1, 3]), both_ways([(1, 0), (1, 2), (1, 3)]))
ARROW = (np.array([1, 1, 1]), [(0, 1, 0), (1, 2, 0)])
OTHERS = [
  PATH,
  STAR,
  (np.array([1, 2, 3, 1]), PATH[1]),  # Other labels on the same path.
  (PATH[0], [(u, v, 1) for u, v, _ in PATH[1]]),  # Other bonds.
  (PATH[0], PATH[1][:-1]),
  ARROW,
  (np.array([1, 1, 1]), [(0, 1, 0), (2, 1, 0)]),
  (np.array([1, 1, 1]), []),
  (np.array([1, 1]), []),
  (np.array([], int), []),
]


@pytest.mark.parametrize("real_values", [False, True])
def test_isomorphic_graphs_are_equal_and_others_differ(real_values):
  copies = [shuffled(graph, seed) for seed in range(3) for graph in OTHERS]
  store = make([*OTHERS, *copies], real_values)
  hashes = wl_hash.wl_hashes(store).reshape(4, len(OTHERS))
  np.testing.assert_array_equal(hashes, np.tile(hashes[0], (4, 1)))
  assert len(set(hashes[0].tolist())) == len(OTHERS)


def test_what_is_documented_not_to_be_told_apart():
  ring = both_ways([(i, (i + 1) % 6) for i in range(6)])
  triangles = both_ways([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)])
  store = make([(np.ones(6, int), ring), (np.ones(6, int), triangles)])
  hashes = wl_hash.wl_hashes(store)
  assert hashes[0] == hashes[1]
  store = make([(np.arange(6), ring), (np.arange(6), triangles)])
  hashes = wl_hash.wl_hashes(store)
  assert hashes[0] != hashes[1]


def test_the_first_of_each_kind_stays():
  graphs = [
    PATH,
    shuffled(PATH, 1),
    ARROW,
    STAR,
    shuffled(ARROW, 2),
    OTHERS[-1],
  ]
  kept = wl_hash.without_duplicates(make(graphs))
  expected = make([PATH, ARROW, STAR, OTHERS[-1]])
  np.testing.assert_array_equal(kept.labels[:, 0], [0, 2, 3, 5])
  for name in (
    "node_offsets",
    "edge_offsets",
    "nodes",
    "edges",
    "senders",
    "receivers",
  ):
    a, b = getattr(kept, name), getattr(expected, name)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_split_dataset_is_refused():
  store = dataclasses.replace(make([PATH]), splits={"test": np.array([0])})
  with pytest.raises(ValueError, match="small .* has a split"):
    wl_hash.without_duplicates(store)
