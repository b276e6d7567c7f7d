"""Tests of batching.py."""

import dataclasses
import itertools
import threading

import jax
import jraph
import numpy as np
import pytest

from gnn_readout.data.batches import batching


def _take(iterator, num):
  items = list(itertools.islice(iterator, num))
  iterator.close()
  return items


def _indices(batch):
  return batch.globals["index"][batch.globals["mask"]]


def _assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


MODES = {
  "bucketed": {"batch_size": 7},
  "keep_last": {"batch_size": 7, "keep_last": True},
  "paper": {"mode": "paper", "batch_size": 7, "max_nodes": 61},
}


@pytest.fixture(params=MODES)
def plan(request, nasty_store):
  return batching.make_plan(
    nasty_store, "train", seed=3, **MODES[request.param]
  )


def _epochs(plan, num):
  """The batches of the first `num` epochs, by epoch."""
  result = [[] for _ in range(num)]
  iterator = batching.train_batches(plan, prefetch=0)
  for step, epoch, batch in iterator:
    if epoch == num:
      return result
    assert step == sum(map(len, result))
    result[epoch].append(batch)


def test_every_graph_once_an_epoch(plan):
  train = plan.store.splits["train"]
  for batches in _epochs(plan, 3):
    seen = np.concatenate([_indices(batch) for batch in batches])
    assert len(set(seen.tolist())) == len(seen)
    assert set(seen) <= set(train)
    is_whole = plan.mode == "paper" or plan.steps_per_epoch * 7 >= len(train)
    dropped = 0 if is_whole else len(train) % 7
    assert len(seen) == len(train) - dropped


def test_epochs_and_seeds_differ_and_repeat(plan, nasty_store):
  first, second = plan.epoch(0), plan.epoch(1)
  assert (first.order[:50] != second.order[:50]).any()
  _assert_same(first, plan.epoch(0))
  other = batching.make_plan(nasty_store, "train", seed=4, **MODES[plan.mode])
  assert other.budgets == plan.budgets
  assert (first.order[:50] != other.epoch(0).order[:50]).any()


def test_bucketed_batches_are_full_and_shapes_bounded(nasty_store):
  plan = batching.make_plan(nasty_store, "train", batch_size=7, num_buckets=3)
  assert plan.steps_per_epoch == len(nasty_store.splits["train"]) // 7
  assert 1 < len(plan.budgets) <= 3
  shapes = set()
  for batches in _epochs(plan, 20):
    assert len(batches) == plan.steps_per_epoch
    for batch in batches:
      assert len(_indices(batch)) == 7
      shapes.add((len(batch.n_node), len(batch.nodes), len(batch.edges)))
  assert shapes <= set(plan.budgets)


def test_an_order_that_does_not_fit_is_drawn_again(nasty_store):
  plan = batching.make_plan(nasty_store, "train", batch_size=7, num_buckets=1)
  usual = plan.epoch(0)
  nodes = nasty_store.num_nodes[usual.order].reshape(-1, 7).sum(1)
  budget = plan.budgets[0]._replace(num_nodes=int(nodes.max()))
  tight = dataclasses.replace(plan, budgets=(budget,))
  again = tight.epoch(0)
  assert (again.order != usual.order).any()
  assert nasty_store.num_nodes[again.order].reshape(-1, 7).sum(1).max() < max(
    nodes
  )
  _assert_same(again, tight.epoch(0))


def test_paper_mode_equals_jraph(nasty_store):
  plan = batching.make_plan(nasty_store, "train", seed=3, **MODES["paper"])
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
  (ours,) = _epochs(plan, 1)
  for a, b in zip(ours, theirs, strict=True):
    num = len(_indices(a))
    np.testing.assert_array_equal(_indices(a), b.globals[:num])
    np.testing.assert_array_equal(a.n_node[:num], b.n_node[:num])
    np.testing.assert_array_equal(a.nodes[:61], b.nodes[:61])
    real = a.n_edge[:num].sum()
    np.testing.assert_array_equal(a.edges, b.edges)
    np.testing.assert_array_equal(a.senders[:real], b.senders[:real])
    np.testing.assert_array_equal(a.receivers[:real], b.receivers[:real])


def test_paper_edges_never_close_a_batch(make_store):
  # The graph with most edges per node is not the one with most edges.
  store = make_store([10, 5, 3, 1] * 7, [20, 5, 30, 0] * 7)
  plan = batching.make_plan(
    store, "train", mode="paper", batch_size=5, max_nodes=11
  )
  assert plan.budgets[0].num_edges == 112  # ceil(11 * 30 / 3), rounded to 8.
  plan = batching.make_plan(
    store, "train", mode="paper", batch_size=2, max_nodes=1000
  )
  assert plan.budgets[0].num_edges == 64  # 30 + 30, rounded.


@pytest.mark.parametrize("prefetch", [0, 2])
def test_any_step_can_be_made_again(plan, prefetch):
  steps = 3 * plan.steps_per_epoch
  every = _take(batching.train_batches(plan, 0, prefetch), steps)
  assert [step for step, _, _ in every] == list(range(steps))
  starts = [1, plan.steps_per_epoch - 1, plan.steps_per_epoch, steps - 2]
  for start in starts:
    again = _take(batching.train_batches(plan, start, prefetch), 2)
    for a, b in zip(again, every[start:], strict=False):
      assert a[:2] == b[:2]
      _assert_same(a[2], b[2])


def test_windows_do_not_show(plan, monkeypatch):
  want = _take(batching.train_batches(plan), 31)
  monkeypatch.setattr(batching, "_WINDOW_ELEMENTS", 1)
  for a, b in zip(_take(batching.train_batches(plan), 31), want, strict=True):
    assert a[:2] == b[:2]
    _assert_same(a[2], b[2])


def test_batches_stay_as_they_were(plan):
  iterator = batching.train_batches(plan)
  _, _, first = next(iterator)
  copy = jax.tree.map(np.copy, first)
  for _ in range(50):
    next(iterator)
  _assert_same(first, copy)
  iterator.close()


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_evaluation_visits_every_graph_once(nasty_store, split, batch_size):
  first = list(batching.eval_batches(nasty_store, split, batch_size))
  again = list(
    batching.eval_batches(nasty_store, split, batch_size, prefetch=0)
  )
  for a, b in zip(first, again, strict=True):
    _assert_same(a, b)
  seen = np.concatenate([_indices(batch) for batch in first])
  assert sorted(seen) == sorted(nasty_store.splits[split])
  assert len(first) == -(-len(seen) // batch_size)
  for batch in first:
    index = batch.globals["index"]
    mask = batch.globals["mask"]
    np.testing.assert_array_equal(
      batch.globals["labels"][mask], nasty_store.labels[index[mask]]
    )
    np.testing.assert_array_equal(
      batch.n_node[mask], nasty_store.num_nodes[index[mask]]
    )


def test_evaluation_batches_are_nearly_equal(nasty_store):
  plan = batching.make_eval_plan(nasty_store, "train", 13)
  order, offsets, _ = plan.epoch(0)
  totals = [
    nasty_store.num_nodes[part].sum() for part in np.split(order, offsets[1:-1])
  ]
  assert max(totals) - min(totals) <= 18  # The largest graph.
  assert max(np.diff(offsets)) == 13


def test_summary(plan):
  summary = plan.summary()
  (batches,) = _epochs(plan, 1)
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
    plan = batching.make_plan(store, "train", **kwargs)
    _, _, batch = _take(batching.train_batches(plan), 1)[0]
    assert len(_indices(batch)) == 7 and not batch.n_node[:7].any()
    assert 0 <= plan.summary()["node_fill"] <= 1


def test_errors_reach_the_consumer(plan, monkeypatch):
  def broken(*args):
    raise OSError("column gone")

  monkeypatch.setattr(batching, "collate", broken)
  with pytest.raises(OSError, match="column gone"):
    next(batching.train_batches(plan))


def test_leaving_early_ends_the_thread(plan):
  for _ in batching.train_batches(plan):
    break
  names = [thread.name for thread in threading.enumerate()]
  assert "prefetch" not in names


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"split": "trian"}, "unknown split 'trian'.*Did you mean 'train'"),
    ({"split": "test"}, "split 'test' of random is empty"),
    ({"mode": "bucketted"}, "mode 'bucketted'.*Did you mean 'bucketed'"),
    ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
    ({"batch_size": -32}, "batch_size must be a positive integer, got -32"),
    ({"num_buckets": 0}, "num_buckets must be a positive integer, got 0"),
    ({"batch_size": 1000}, "batch_size=1000 is more than the 206 graphs"),
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
    batching.make_plan(nasty_store, **{"split": "train", **kwargs})


def test_bad_evaluation_input(nasty_store):
  for split, batch_size, message in [
    ("vald", 7, "Did you mean 'valid'"),
    ("test", 7, "empty"),
    ("valid", 0, "batch_size must be"),
  ]:
    with pytest.raises(ValueError, match=message):
      batching.eval_batches(nasty_store, split, batch_size)


def test_bad_start_step(plan):
  with pytest.raises(ValueError, match="start_step must not be negative"):
    batching.train_batches(plan, start_step=-1)


@pytest.mark.parametrize("batch_size", [8, 32])
def test_fill_on_real_molecules(molhiv, batch_size):
  plan = batching.make_plan(molhiv, "train", batch_size=batch_size)
  summary = plan.summary()
  assert 2 <= summary["num_shapes"] <= 4
  assert summary["node_fill"] >= 0.85
  assert summary["edge_fill"] >= 0.85
  for epoch in range(1, 5):
    assert plan.epoch(epoch).buckets.max() < len(plan.budgets)
  summary = batching.make_eval_plan(molhiv, "valid", batch_size).summary()
  assert summary["node_fill"] >= 0.9


@pytest.fixture(scope="module")
def molhiv(data_dir, tmp_path_factory):
  from gnn_readout import data

  return data.load("ogbg-molhiv", data_dir, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("start", [0, 11])
@pytest.mark.parametrize("keep_last", [False, True])
def test_members_get_the_graphs_they_would_get_alone(
  nasty_store, keep_last, start
):
  half = len(nasty_store.splits["train"]) // 2
  splits = [
    {"train": nasty_store.splits["train"][k : k + half]} for k in (0, 3)
  ]
  plans = [
    batching.make_plan(
      dataclasses.replace(nasty_store, splits=split),
      "train",
      batch_size=5,
      keep_last=keep_last,
      seed=seed,
    )
    for split, seed in zip(splits, (3, 4))
  ]
  stacked = _take(batching.member_batches(plans, start), 9)
  for m, plan in enumerate(plans):
    alone = _take(batching.train_batches(plan, start), 9)
    for (step, batch), (expected, _, own) in zip(stacked, alone):
      mine = jax.tree.map(lambda x: x[m], batch)
      assert step == expected
      np.testing.assert_array_equal(_indices(mine), _indices(own))
      real = int(own.n_node[own.globals["mask"]].sum())
      np.testing.assert_array_equal(mine.nodes[:real], own.nodes[:real])


def test_members_meet_each_of_their_graphs_once(nasty_store):
  count = nasty_store.num_graphs
  graphs = [np.arange(0, count, 2), np.arange(1, count, 3)]
  batches = batching.member_eval_batches(nasty_store, graphs, batch_size=7)
  for m, expected in enumerate(graphs):
    parts = [jax.tree.map(lambda x: x[m], batch) for batch in batches]
    found = np.concatenate([_indices(part) for part in parts])
    np.testing.assert_array_equal(np.sort(found), expected)
  assert len({b.nodes.shape for b in batches}) == 1


def test_members_need_plans_that_fit(nasty_store):
  plans = [
    batching.make_plan(nasty_store, "train", batch_size=size) for size in (3, 7)
  ]
  with pytest.raises(ValueError, match="as many steps per epoch, got"):
    batching.member_batches(plans)
  with pytest.raises(ValueError, match="start_step must not be negative"):
    batching.member_batches(plans[:1], -1)
