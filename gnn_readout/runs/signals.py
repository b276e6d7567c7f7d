"""Signals that ask a program to stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
  """Yields a list that gets the name of the first signal to stop.

  The signals are SIGTERM and SIGINT. A second one acts as it would without
  this program.
  """
  received: list[str] = []
  before = {}

  def handle(number: int, frame: Any) -> None:
    received.append(signal.Signals(number).name)
    restore()

  def restore() -> None:
    for number, handler in before.items():
      signal.signal(number, handler)

  for number in (signal.SIGTERM, signal.SIGINT):
    before[number] = signal.signal(number, handle)
  try:
    yield received
  finally:
    restore()
