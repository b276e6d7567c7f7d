"""Members of a population get the batches of lone runs."""

import dataclasses

import jax
import numpy as np
import pytest

from gnn_readout.data import batches
from tests.data.batches.taking import indices, take


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
    batches.make_plan(
      dataclasses.replace(nasty_store, splits=split),
      "train",
      batch_size=5,
      keep_last=keep_last,
      seed=seed,
    )
    for split, seed in zip(splits, (3, 4))
  ]
  stacked = take(batches.member_batches(plans, start), 9)
  for m, plan in enumerate(plans):
    alone = take(batches.train_batches(plan, start), 9)
    for (step, _, batch, _), (expected, _, own, _) in zip(stacked, alone):
      mine = jax.tree.map(lambda x: x[m], batch)
      assert step == expected
      np.testing.assert_array_equal(indices(mine), indices(own))
      real = int(own.n_node[own.globals["mask"]].sum())
      np.testing.assert_array_equal(mine.nodes[:real], own.nodes[:real])


def test_members_meet_each_of_their_graphs_once(nasty_store):
  count = nasty_store.num_graphs
  graphs = [np.arange(0, count, 2), np.arange(1, count, 3)]
  found = batches.member_eval_batches(nasty_store, graphs, batch_size=7)
  for m, expected in enumerate(graphs):
    parts = [jax.tree.map(lambda x: x[m], batch) for batch in found]
    met = np.concatenate([indices(part) for part in parts])
    np.testing.assert_array_equal(np.sort(met), expected)
  assert len({b.nodes.shape for b in found}) == 1


def test_members_need_plans_that_fit(nasty_store):
  plans = [
    batches.make_plan(nasty_store, "train", batch_size=size) for size in (3, 7)
  ]
  with pytest.raises(
    ValueError, match="the same number of steps per epoch, got"
  ):
    batches.member_batches(plans)
  with pytest.raises(ValueError, match="start_step must not be negative"):
    batches.member_batches(plans[:1], -1)
