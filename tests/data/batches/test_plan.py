"""Which graphs share a batch, in which shape."""

import dataclasses

import jax
import jraph
import numpy as np
import pytest

from gnn_readout.data import batches
from tests.data.batches.taking import MODES, assert_same, epochs, indices, take


def test_every_graph_once_an_epoch(plan):
  train = plan.store.splits["train"]
  for epoch in epochs(plan, 3):
    seen = np.concatenate([indices(batch) for batch in epoch])
    assert len(set(seen.tolist())) == len(seen)
    assert set(seen) <= set(train)
    is_whole = plan.mode == "paper" or plan.steps_per_epoch * 7 >= len(train)
    dropped = 0 if is_whole else len(train) % 7
    assert len(seen) == len(train) - dropped


def test_epochs_and_seeds_differ_and_repeat(plan, nasty_store):
  first, second = plan.epoch(0), plan.epoch(1)
  assert (first.order[:50] != second.order[:50]).any()
  assert_same(first, plan.epoch(0))
  other = batches.make_plan(nasty_store, "train", seed=4, **MODES[plan.mode])
  assert other.budgets == plan.budgets
  assert (first.order[:50] != other.epoch(0).order[:50]).any()


def test_bucketed_batches_are_full_and_shapes_bounded(nasty_store):
  plan = batches.make_plan(nasty_store, "train", batch_size=7, num_buckets=3)
  assert plan.steps_per_epoch == len(nasty_store.splits["train"]) // 7
  assert 1 < len(plan.budgets) <= 3
  shapes = set()
  for epoch in epochs(plan, 20):
    assert len(epoch) == plan.steps_per_epoch
    for batch in epoch:
      assert len(indices(batch)) == 7
      shapes.add((len(batch.n_node), len(batch.nodes), len(batch.edges)))
  assert shapes <= set(plan.budgets)


def test_an_order_that_does_not_fit_is_drawn_again(nasty_store):
  plan = batches.make_plan(nasty_store, "train", batch_size=7, num_buckets=1)
  usual = plan.epoch(0)
  nodes = nasty_store.num_nodes[usual.order].reshape(-1, 7).sum(1)
  budget = plan.budgets[0]._replace(num_nodes=int(nodes.max()))
  tight = dataclasses.replace(plan, budgets=(budget,))
  again = tight.epoch(0)
  assert (again.order != usual.order).any()
  assert nasty_store.num_nodes[again.order].reshape(-1, 7).sum(1).max() < max(
    nodes
  )
  assert_same(again, tight.epoch(0))


def test_paper_mode_equals_jraph(nasty_store):
  plan = batches.make_plan(nasty_store, "train", seed=3, **MODES["paper"])
  (budget,) = plan.budgets
  assert budget.num_graphs == 8 and budget.num_nodes == 64
  order = plan.epoch(0).order
  graphs = (
    jraph.GraphsTuple(
      nodes=nasty_store.nodes[slice(*nasty_store.node_offsets[g : g + 2])],
      edges=nasty_store.edges[slice(*nasty_store.edge_offsets[g : g + 2])],
      senders=nasty_store.senders[slice(*nasty_store.edge_offsets[g : g + 2])],
      receivers=nasty_store.receivers[
        slice(*nasty_store.edge_offsets[g : g + 2])
      ],
      n_node=nasty_store.num_nodes[g : g + 1],
      n_edge=nasty_store.num_edges[g : g + 1],
      globals=np.array([g]),
    )
    for g in order
  )
  theirs = jraph.dynamically_batch(graphs, 62, budget.num_edges, 8)
  (ours,) = epochs(plan, 1)
  for a, b in zip(ours, theirs, strict=True):
    num = len(indices(a))
    np.testing.assert_array_equal(indices(a), b.globals[:num])
    np.testing.assert_array_equal(a.n_node[:num], b.n_node[:num])
    np.testing.assert_array_equal(a.nodes[:61], b.nodes[:61])
    real = a.n_edge[:num].sum()
    np.testing.assert_array_equal(a.edges, b.edges)
    np.testing.assert_array_equal(a.senders[:real], b.senders[:real])
    np.testing.assert_array_equal(a.receivers[:real], b.receivers[:real])


def test_paper_edges_never_close_a_batch(make_store):
  # The graph with most edges per node is not the one with most edges.
  store = make_store([10, 5, 3, 1] * 7, [20, 5, 30, 0] * 7)
  plan = batches.make_plan(
    store, "train", mode="paper", batch_size=5, max_nodes=11
  )
  assert plan.budgets[0].num_edges == 112  # ceil(11 * 30 / 3), rounded to 8.
  plan = batches.make_plan(
    store, "train", mode="paper", batch_size=2, max_nodes=1000
  )
  assert plan.budgets[0].num_edges == 64  # 30 + 30, rounded.


def test_evaluation_batches_are_nearly_equal(nasty_store):
  plan = batches.make_eval_plan(nasty_store, "train", 13)
  order, offsets, *_ = plan.epoch(0)
  totals = [
    nasty_store.num_nodes[part].sum() for part in np.split(order, offsets[1:-1])
  ]
  assert max(totals) - min(totals) <= 18  # The largest graph.
  assert max(np.diff(offsets)) == 13


def test_summary(plan):
  summary = plan.summary()
  (batches,) = epochs(plan, 1)
  assert summary["num_shapes"] == len(plan.budgets) == len(summary["budgets"])
  assert sum(summary["batches_per_budget"]) == len(batches)
  real = [b.globals["mask"] for b in batches]
  fill = {
    "graph_fill": sum(m.sum() for m in real) / sum(len(m) for m in real),
    "node_fill": sum(
      b.n_node[m].sum() for b, m in zip(batches, real, strict=True)
    )
    / sum(len(b.nodes) for b in batches),
    "edge_fill": sum(
      b.n_edge[m].sum() for b, m in zip(batches, real, strict=True)
    )
    / sum(len(b.edges) for b in batches),
  }
  for name, want in fill.items():
    assert summary[name] == pytest.approx(want)


def test_graphs_of_nothing(make_store):
  store = make_store([0] * 23, [0] * 23)
  for kwargs in MODES.values():
    plan = batches.make_plan(store, "train", **kwargs)
    batch = take(batches.train_batches(plan), 1)[0].batch
    assert len(indices(batch)) == 7 and not batch.n_node[:7].any()
    assert 0 <= plan.summary()["node_fill"] <= 1


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"split": "trian"}, "unknown split 'trian'.*Did you mean 'train'"),
    ({"split": "test"}, "split 'test' of random is empty"),
    ({"mode": "bucketted"}, "mode 'bucketted'.*Did you mean 'bucketed'"),
    ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
    ({"batch_size": -32}, "batch_size must be a positive integer, got -32"),
    ({"num_buckets": 0}, "num_buckets must be a positive integer, got 0"),
    ({"mode": "paper"}, "max_nodes must be a positive integer, got None"),
    (
      {"mode": "paper", "max_nodes": -1},
      "max_nodes must be a positive integer, got -1",
    ),
    (
      {"mode": "paper", "max_nodes": 17},
      r"graph \d+ has 18 nodes, more than max_nodes=17; .* at least 18",
    ),
  ],
)
def test_bad_input(nasty_store, kwargs, message):
  with pytest.raises(ValueError, match=message):
    batches.make_plan(nasty_store, **{"split": "train", **kwargs})


@pytest.mark.parametrize("batch_size", [8, 32])
def test_fill_on_real_molecules(molhiv, batch_size):
  plan = batches.make_plan(molhiv, "train", batch_size=batch_size)
  summary = plan.summary()
  assert 2 <= summary["num_shapes"] <= 4
  assert summary["node_fill"] >= 0.85
  assert summary["edge_fill"] >= 0.85
  for epoch in range(1, 5):
    assert plan.epoch(epoch).buckets.max() < len(plan.budgets)
  summary = batches.make_eval_plan(molhiv, "valid", batch_size).summary()
  assert summary["node_fill"] >= 0.9


@pytest.fixture(scope="module")
def molhiv(data_dir, tmp_path_factory):
  from gnn_readout import data

  return data.load("ogbg-molhiv", data_dir, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_in_shares_has_the_same_graphs(nasty_store, mode):
  fields = {**MODES[mode], "batch_size": 8, "seed": 3}
  whole = batches.make_plan(nasty_store, "train", **fields)
  spread = batches.make_plan(nasty_store, "train", num_shares=4, **fields)
  assert spread.steps_per_epoch == whole.steps_per_epoch
  steps = 2 * whole.steps_per_epoch
  for a, b in zip(
    take(batches.train_batches(whole), steps),
    take(batches.train_batches(spread), steps),
    strict=True,
  ):
    assert a[:2] == b[:2]
    np.testing.assert_array_equal(a.real, b.real)
    np.testing.assert_array_equal(
      np.sort(indices(a.batch)), np.sort(indices(b.batch))
    )
    counts = b.batch.globals["mask"].sum(axis=1)
    assert len(counts) == 4 and counts.max() - counts.min() <= 1
    assert b.batch.n_node.sum(axis=1).tolist() == [b.batch.nodes.shape[1]] * 4


def test_each_process_makes_its_own_shares(nasty_store):
  plan = batches.make_plan(nasty_store, "train", batch_size=8, num_shares=4)
  every = take(batches.train_batches(plan, 5), 9)
  own = take(batches.train_batches(plan, 5, shares=slice(2, 4)), 9)
  for a, b in zip(every, own, strict=True):
    assert_same(jax.tree.map(lambda x: x[2:], a.batch), b.batch)
    np.testing.assert_array_equal(a.real, b.real)


def test_the_last_shape_holds_any_share(nasty_store):
  plan = batches.make_plan(
    nasty_store, "train", batch_size=8, num_shares=4, num_buckets=1
  )
  _, num_nodes, num_edges = plan.budgets[-1]
  for number in range(50):
    epoch = plan.epoch(number)
    assert epoch.buckets.max() < len(plan.budgets)
    for share in np.split(epoch.order, epoch.offsets[1:-1]):
      assert nasty_store.num_nodes[share].sum() < num_nodes
      assert nasty_store.num_edges[share].sum() <= num_edges


def test_shares_that_cannot_be_equal(nasty_store):
  with pytest.raises(
    ValueError, match="batch_size=7 cannot be divided evenly among 2 dev"
  ):
    batches.make_plan(nasty_store, "train", batch_size=7, num_shares=2)


def test_shares_of_molecules_are_mostly_real(molhiv):
  plan = batches.make_plan(molhiv, "train", batch_size=128, num_shares=4)
  summary = plan.summary()
  for kind in ("node", "edge", "graph"):
    assert summary[f"{kind}_fill"] > 0.92


@pytest.mark.parametrize("keep_last", [False, True])
def test_fewer_graphs_than_a_batch_are_one(nasty_store, keep_last):
  plan = batches.make_plan(
    nasty_store, "train", batch_size=1000, keep_last=keep_last
  )
  assert (plan.batch_size, plan.steps_per_epoch) == (206, 1)
  for _, _, batch, _ in take(batches.train_batches(plan), 3):
    np.testing.assert_array_equal(
      np.sort(indices(batch)), np.sort(nasty_store.splits["train"])
    )
