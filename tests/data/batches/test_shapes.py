"""Batches of graphs that come a window at a time."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.data import windows
from gnn_readout.data.batches import shapes
from gnn_readout.data.building import build_store
from gnn_readout.data.store import Schema


def chains(sizes):
  """Returns a store of chains of so many nodes."""
  sizes = np.asarray(sizes)
  edges = [np.arange(n - 1) for n in sizes]
  count = [max(2 * (n - 1), 0) for n in sizes]
  senders = np.concatenate([np.r_[e, e + 1] for e in edges])
  receivers = np.concatenate([np.r_[e + 1, e] for e in edges])
  schema = Schema("chains", "regression", 1, 0, "rmse", (7,), (), 1, 0, ("y",))
  return build_store(
    schema,
    num_nodes=sizes,
    num_edges=np.array(count),
    nodes=np.zeros((sizes.sum(), 1)),
    edges=np.zeros((sum(count), 0)),
    senders=senders,
    receivers=receivers,
    labels=np.zeros((len(sizes), 1)),
    splits={},
  )


def drifting(num_graphs=600):
  """Sizes that grow from 5 to 20, and a giant."""
  rng = np.random.default_rng(0)
  sizes = rng.integers(1, 9, num_graphs) + 15 * np.arange(num_graphs) // 600
  sizes[num_graphs // 2] = 300
  return sizes


@pytest.fixture
def jobs(monkeypatch):
  """Returns a function: all batches of a store, in windows of 37 graphs."""
  monkeypatch.setattr(windows, "SIZE", 37)

  def make(store, most=64, num_nodes=100):
    made = shapes.Shapes(most, num_nodes)
    parts = shapes.padded_batches(windows.of_store(store), made)
    return [job for part in parts for job in part]

  return make


def test_every_graph_is_in_one_batch(jobs):
  store = chains(drifting())
  found = jobs(store)
  places = np.concatenate([job.places for job in found])
  assert sorted(places) == [*range(store.num_graphs)]
  for job in found:
    batch, count = job.batch, len(job.places)
    np.testing.assert_array_equal(job.sizes, store.num_nodes[job.places])
    np.testing.assert_array_equal(batch.n_node[:count], job.sizes)
    np.testing.assert_array_equal(batch.globals["index"][:count], job.places)
    assert not batch.globals["mask"][count:].any()
    shape = len(batch.n_node), len(batch.nodes), len(batch.senders)
    assert shape == job.budget
    assert len(batch.nodes) > job.sizes.sum()  # A node of padding.


def test_a_few_shapes_serve_all_windows(jobs, monkeypatch):
  store = chains(drifting())
  found = jobs(store)
  used = {job.budget for job in found}
  assert len({budget.num_graphs for budget in used}) == 1
  assert len(used) <= 4  # The usual one, and what the giant is in.
  # Where another shape costs nothing, there is less padding and more shapes.
  monkeypatch.setattr(shapes, "_WORTH", 0)
  more = jobs(store)
  assert len({job.budget for job in more}) >= len(used)
  padded = [sum(job.budget.num_nodes for job in x) for x in (more, found)]
  assert padded[0] <= padded[1]


def test_graphs_that_are_larger_than_a_batch(jobs):
  found = jobs(chains([150, 150, 3]), num_nodes=10)
  assert sum(len(job.places) for job in found) == 3


def test_graphs_without_nodes(jobs):
  found = jobs(chains([0, 0, 0]))
  assert [job.sizes.tolist() for job in found] == [[0, 0, 0]]


def test_a_window_without_graphs():
  store, none = chains([3]), np.zeros(0, np.int64)
  made = shapes.Shapes(8, 100)
  assert made.batches(windows.Window(store, none, none)) == []
