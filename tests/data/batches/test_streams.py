"""Batches come in order, whole, and end with their consumer."""

import threading

import jax
import numpy as np
import pytest

from gnn_readout.data import batches
from gnn_readout.data.batches import streams
from tests.data.batches.taking import assert_same, indices, take


@pytest.mark.parametrize("prefetch", [0, 2])
def test_any_step_can_be_made_again(plan, prefetch):
  steps = 3 * plan.steps_per_epoch
  every = take(batches.train_batches(plan, 0, prefetch), steps)
  assert [item.step for item in every] == list(range(steps))
  starts = [1, plan.steps_per_epoch - 1, plan.steps_per_epoch, steps - 2]
  for start in starts:
    again = take(batches.train_batches(plan, start, prefetch), 2)
    for a, b in zip(again, every[start:], strict=False):
      assert a[:2] == b[:2]
      assert_same(a[2], b[2])


def test_windows_do_not_show(plan, monkeypatch):
  want = take(batches.train_batches(plan), 31)
  monkeypatch.setattr(streams, "_WINDOW_ELEMENTS", 1)
  for a, b in zip(take(batches.train_batches(plan), 31), want, strict=True):
    assert a[:2] == b[:2]
    assert_same(a[2], b[2])


def test_batches_stay_as_they_were(plan):
  iterator = batches.train_batches(plan)
  first = next(iterator).batch
  copy = jax.tree.map(np.copy, first)
  for _ in range(50):
    next(iterator)
  assert_same(first, copy)
  iterator.close()


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_evaluation_visits_every_graph_once(nasty_store, split, batch_size):
  first = list(batches.eval_batches(nasty_store, split, batch_size))
  again = list(batches.eval_batches(nasty_store, split, batch_size, prefetch=0))
  for a, b in zip(first, again, strict=True):
    assert_same(a, b)
  seen = np.concatenate([indices(batch) for batch in first])
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


def test_errors_reach_the_consumer(plan, monkeypatch):
  def broken(*args):
    raise OSError("column gone")

  monkeypatch.setattr(streams, "collate", broken)
  with pytest.raises(OSError, match="column gone"):
    next(batches.train_batches(plan))


def test_leaving_early_ends_the_thread(plan):
  for _ in batches.train_batches(plan):
    break
  names = [thread.name for thread in threading.enumerate()]
  assert "prefetch" not in names


def test_bad_evaluation_input(nasty_store):
  for split, batch_size, message in [
    ("vald", 7, "Did you mean 'valid'"),
    ("test", 7, "empty"),
    ("valid", 0, "batch_size must be"),
  ]:
    with pytest.raises(ValueError, match=message):
      batches.eval_batches(nasty_store, split, batch_size)


def test_bad_start_step(plan):
  with pytest.raises(ValueError, match="start_step must not be negative"):
    batches.train_batches(plan, start_step=-1)
