"""Signals that ask a program to stop."""

from __future__ import annotations

import signal

import pytest

from gnn_readout.runs import signals

_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _SecondSignal(Exception):
  pass


@pytest.fixture
def outside():
  """Makes the signals raise where nobody listens, and restores them."""

  def handle(number, frame):
    raise _SecondSignal(signal.Signals(number).name)

  before = {number: signal.signal(number, handle) for number in _ALL}
  yield handle
  for number, handler in before.items():
    signal.signal(number, handler)


@pytest.mark.parametrize("number", _ALL)
def test_a_program_that_has_nothing_to_save_stops_at_once(outside, number):
  with (
    pytest.raises(signals.Stopped, match=number.name) as stop,
    signals.stop_at_once(),
  ):
    try:
      signal.raise_signal(number)
    except Exception:
      pytest.fail("what handles errors swallowed it")
    finally:
      signal.raise_signal(signal.SIGHUP)  # A terminal sends one more.
      assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
  assert stop.value.number == number
  assert {signal.getsignal(x) for x in _ALL} == {outside}


def test_what_saves_goes_first(outside):
  with (
    pytest.raises(signals.Stopped),
    signals.stop_at_once(),
    signals.stop_signals() as stop,
  ):
    signal.raise_signal(signal.SIGTERM)
    assert stop == ["SIGTERM"]
    signal.raise_signal(signal.SIGTERM)


def test_nohup_is_obeyed_from_the_start(outside):
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
  with signals.stop_at_once():
    signal.raise_signal(signal.SIGHUP)
  assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", _ALL)
def test_the_first_is_heard(outside, number):
  with signals.stop_signals() as stop:
    assert stop == []
    signal.raise_signal(number)
    assert stop == [number.name]
  assert {signal.getsignal(x) for x in _ALL} == {outside}


@pytest.mark.parametrize("first", _ALL)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_acts_as_without_this_program(outside, first, second):
  with signals.stop_signals() as stop:
    signal.raise_signal(first)
    with pytest.raises(_SecondSignal, match=second.name):
      signal.raise_signal(second)
    assert stop == [first.name]


@pytest.mark.parametrize("first", _ALL)
def test_a_terminal_may_hang_up_twice(outside, first):
  with signals.stop_signals() as stop:
    signal.raise_signal(first)
    for _ in range(2):
      signal.raise_signal(signal.SIGHUP)
    assert stop == [first.name]


def test_nohup_is_obeyed(outside):
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
  with signals.stop_signals() as stop:
    signal.raise_signal(signal.SIGHUP)
    assert stop == []
  assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
