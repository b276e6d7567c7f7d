"""Signals that ask a program to stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
  """Yields a list that gets the name of the first signal to stop.

  The signals are SIGTERM, SIGINT and SIGHUP, which a terminal sends when it is
  closed; SIGHUP is not heard in a program started by `nohup`. A second SIGTERM
  or SIGINT acts as it would without this program. A second SIGHUP does
  nothing: a shell and its terminal send one each.
  """
  received: list[str] = []
  before = {}

  def handle(number: int, frame: Any) -> None:
    if not received:
      received.append(signal.Signals(number).name)
      restore(signal.SIGTERM, signal.SIGINT)

  def restore(*numbers: int) -> None:
    for number in numbers:
      signal.signal(number, before[number] or signal.SIG_DFL)

  for number in _STOP:
    before[number] = signal.getsignal(number)
    if (number, before[number]) != (signal.SIGHUP, signal.SIG_IGN):
      signal.signal(number, handle)
  try:
    yield received
  finally:
    restore(*_STOP)
