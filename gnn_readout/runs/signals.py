"""Signals that ask a program to stop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

from gnn_readout.runs import processes

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
  before = {}
  is_alone = processes.count() == 1

  def handle(number: int, frame: Any) -> None:
    if not is_alone:
      os.kill(os.getpid(), signal.SIGTERM)
      restore(signal.SIGINT)
    elif not received:
      received.append(signal.Signals(number).name)
      restore(signal.SIGTERM, signal.SIGINT)

  def restore(*numbers: int) -> None:
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
