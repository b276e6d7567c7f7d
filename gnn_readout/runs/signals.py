"""Signals that ask a program to stop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

from gnn_readout.runs import processes

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
  """A signal asked a program to stop that has nothing to save.

  It is no Exception, so that nothing that handles errors swallows it.

  Attributes:
    number: Number of the signal.
  """

  def __init__(self, number: int):
    """Keeps the number of the signal."""
    super().__init__(signal.Signals(number).name)
    self.number = number


@contextlib.contextmanager
def stop_at_once() -> Iterator[None]:
  """Raises `Stopped` in the block at the first of the signals to stop.

  What a block inside this one does with them, by `stop_signals`, goes first.
  While the program ends another SIGTERM or SIGINT kills it, and another SIGHUP
  does nothing. SIGHUP is not heard in a program started by `nohup`.
  """
  before: dict[signal.Signals, Any] = {}

  def handle(number: int, frame: Any) -> None:
    for other in before:
      is_fatal = other != signal.SIGHUP
      signal.signal(other, signal.SIG_DFL if is_fatal else signal.SIG_IGN)
    raise Stopped(number)

  for number in _STOP:
    handler = signal.getsignal(number)
    if (number, handler) != (signal.SIGHUP, signal.SIG_IGN):
      before[number] = handler
      signal.signal(number, handle)
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
  """Yields a list that gets the name of the first signal to stop.

  The signals are SIGTERM, SIGINT and SIGHUP, which a terminal sends when it is
  closed; SIGHUP is not heard in a program started by `nohup`. A second SIGTERM
  or SIGINT acts as it would without this program. A second SIGHUP does
  nothing: a shell and its terminal send one each.

  Where several processes train together, JAX hears SIGTERM, whose handler must
  stay, and the others stand for it: `processes.agree_to_stop` fills the list.
  """
  received: list[str] = []
  before: dict[signal.Signals, Any] = {}
  is_alone = processes.count() == 1

  def handle(number: int, frame: Any) -> None:
    if not is_alone:
      os.kill(os.getpid(), signal.SIGTERM)
      restore(signal.SIGINT)
    elif not received:
      received.append(signal.Signals(number).name)
      restore(signal.SIGTERM, signal.SIGINT)

  def restore(*numbers: signal.Signals) -> None:
    for number in numbers:
      signal.signal(number, before[number] or signal.SIG_DFL)

  heard = [x for x in _STOP if is_alone or x != signal.SIGTERM]
  for number in heard:
    before[number] = signal.getsignal(number)
    if (number, before[number]) != (signal.SIGHUP, signal.SIG_IGN):
      signal.signal(number, handle)
  try:
    yield received
  finally:
    restore(*heard)
