"""Tests of prefetch.py."""

import itertools
import threading

import pytest

from gnn_readout.data.batches.prefetch import prefetch
from tests.waiting import wait_for


def _threads():
  return [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_yields_the_same_items_in_order(depth):
  assert list(prefetch(iter(range(53)), depth)) == list(range(53))
  assert not _threads()


def test_runs_at_most_depth_items_ahead():
  taken, asked, most = [], [0], []

  def source():
    for i in range(100):
      taken.append(i)
      most.append(len(taken) - asked[0])
      yield i

  items = prefetch(source(), depth=3)
  for i in range(90):
    asked[0] += 1
    assert next(items) == i
    # Besides those delivered: three in the queue, one waiting for room.
    wait_for(lambda: len(taken) - asked[0] == 4)
  assert max(most) == 4
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
  for is_full in (False, True):  # The queue is filling, or full.
    taken = []
    numbers = (taken.append(i) or i for i in itertools.count())
    items = prefetch(numbers, depth=2)
    assert next(items) == 0
    if is_full:
      wait_for(lambda: len(taken) == 4)
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
