"""Fixtures shared by the tests of data."""

import numpy as np
import pytest

from gnn_readout.data.store import GraphStore, Schema


@pytest.fixture(scope="session")
def make_store():
  """Returns a function that makes a store of random graphs of given sizes."""

  def make(num_nodes, num_edges=None, seed=0, tasks=3):
    rng = np.random.default_rng(seed)
    num_nodes = np.array(num_nodes)
    if num_edges is None:
      num_edges = num_nodes * rng.integers(0, 5, len(num_nodes))
    num_edges = np.array(num_edges)
    senders, receivers = [], []
    for n, e in zip(num_nodes, num_edges, strict=True):
      senders.append(rng.integers(0, max(n, 1), e))
      receivers.append(np.sort(rng.integers(0, max(n, 1), e)))
    nodes, edges = num_nodes.sum(), num_edges.sum()
    graphs = len(num_nodes)
    shuffled = rng.permutation(graphs).astype(np.int32)
    labels = rng.normal(size=(graphs, tasks)).astype(np.float32)
    labels[rng.random(labels.shape) < 0.3] = np.nan
    return GraphStore(
      schema=Schema(
        name="random",
        task_type="binary",
        num_tasks=tasks,
        num_classes=0,
        metric="ap",
        node_sizes=(251,) * 5,
        edge_sizes=(7, 11),
        node_dim=5,
        edge_dim=2,
        task_names=tuple(f"task {i}" for i in range(tasks)),
      ),
      node_offsets=np.concatenate([[0], np.cumsum(num_nodes)]),
      edge_offsets=np.concatenate([[0], np.cumsum(num_edges)]),
      # No zeros: those are padding.
      nodes=rng.integers(1, 251, (nodes, 5)).astype(np.uint8),
      edges=rng.integers(1, 7, (edges, 2)).astype(np.uint8),
      senders=np.concatenate(senders).astype(np.int32),
      receivers=np.concatenate(receivers).astype(np.int32),
      labels=labels,
      splits={
        "train": shuffled[: graphs - 5],
        "valid": shuffled[graphs - 5 :],
        "test": shuffled[:0],
      },
    )

  return make


@pytest.fixture(scope="session")
def nasty_store(make_store):
  """211 graphs, some without a node, with one, or without an edge."""
  rng = np.random.default_rng(1)
  num_nodes = rng.integers(2, 19, 211)
  num_nodes[rng.permutation(211)[:31]] = 0
  num_nodes[rng.permutation(211)[:13]] = 1
  num_edges = num_nodes * rng.integers(0, 5, 211)
  return make_store(num_nodes, num_edges)
