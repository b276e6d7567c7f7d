"""What others use of the CPU, from two looks at /proc/stat."""

from __future__ import annotations

import pytest

from benchmarks import load

# user nice system idle iowait irq softirq steal guest guest_nice, in ticks.
_BEFORE = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 100 10 50 1000 20 1 2 3 40 0
cpu1 200 20 60 2000 30 4 5 6 0 0
cpu2 0 0 0 0 0 0 0 0 0 0
intr 12345
ctxt 99
"""
_AFTER = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 150 15 60 1100 30 2 3 4 90 0
cpu1 230 20 60 2140 30 4 5 6 0 0
cpu2 500 0 0 0 0 0 0 0 0 0
"""


def test_the_share_of_others_is_without_our_own_and_other_cores():
  before = load.parse(_BEFORE, {0, 1}, ticks=100)
  after = load.parse(_AFTER, {0, 1}, ticks=100)
  assert before.total == pytest.approx({0: 11.86, 1: 23.25})
  assert before.busy == pytest.approx({0: 1.66, 1: 2.95})
  # Core 0: 68 of 178 ticks are not idle; core 1: 30 of 170.
  share = load.share_of_others(before, after._replace(own=0.48))
  assert share == pytest.approx((0.68 + 0.30 - 0.48) / (1.78 + 1.70))


def test_a_share_is_never_below_0_and_is_unknown_without_a_sample():
  before = load.parse(_BEFORE, {0, 1}, ticks=100)
  after = load.parse(_AFTER, {0, 1}, ticks=100)
  # What is ours is counted by another clock than what is in use.
  assert load.share_of_others(before, after._replace(own=0.99)) == 0.0
  assert load.share_of_others(before, before) == 0.0
  assert load.share_of_others(None, after) is None


def test_now_looks_twice(monkeypatch):
  looks = [
    load.Sample({0: 1.0}, {0: 5.0}, own=3.0),
    load.Sample({0: 2.5}, {0: 7.0}, own=3.5),
  ]
  waited = []
  monkeypatch.setattr(load, "sample", lambda: looks.pop(0))
  assert load.now(2.0, waited.append) == pytest.approx(0.5)
  assert waited == [2.0] and not looks


def test_this_machine_can_be_looked_at():
  sample = load.sample()
  if sample is None:
    pytest.skip("there is no /proc/stat here")
  assert sample.own > 0
  assert sample.total.keys() == sample.busy.keys() != set()
  assert all(0 <= sample.busy[core] <= sample.total[core] for core in sample[0])


def test_what_is_quiet():
  assert load.is_quiet(0.0) and load.is_quiet(load.MOST)
  assert not load.is_quiet(load.MOST + 0.01)
  assert load.is_quiet(None)  # Where there is nothing to look at.
