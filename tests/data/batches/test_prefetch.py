"""Tests of prefetch.py."""

import itertools
import threading
import time

import pytest

from gnn_readout.data.batches.prefetch import prefetch


def _threads():
  return [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_yields_the_same_items_in_order(depth):
  assert list(prefetch(iter(range(53)), depth)) == list(range(53))
  assert not _threads()


def test_runs_at_most_depth_items_ahead():
  taken = []
  items = prefetch((taken.append(i) or i for i in range(100)), depth=3)
  assert next(items) == 0
  # One delivered, three in the queue, one waiting for room.
  deadline = time.monotonic() + 10
  while len(taken) < 5 and time.monotonic() < deadline:
    time.sleep(0.01)
  time.sleep(0.05)
  assert len(taken) == 5
  items.close()


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_raises_what_the_iterator_raises_after_the_items_before(depth):
  def failing():
    yield 1
    yield 2
    raise OSError("disk on fire")

  got = []
  with pytest.raises(OSError, match="disk on fire"):
    for item in prefetch(failing(), depth):
      got.append(item)
  assert got == [1, 2]
  assert not _threads()


def test_the_thread_ends_when_the_consumer_leaves():
  for wait in (0, 0.05):  # The queue is filling, or full.
    items = prefetch(itertools.count(), depth=2)
    assert next(items) == 0
    time.sleep(wait)
    assert _threads()
    items.close()
    assert not _threads()
  for item in prefetch(itertools.count(), depth=2):
    if item == 3:
      break
  assert not _threads()


def test_no_thread_before_the_first_item():
  items = prefetch(itertools.count(), depth=2)
  assert not _threads()
  items.close()
