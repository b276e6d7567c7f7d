"""Waiting for what other processes and threads do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# For a machine on which much else runs. Only a test that fails takes so long.
DEADLINE = 600.0


def wait_for(condition: Callable[[], T]) -> T:
  """Returns the first true value that `condition` gives."""
  end = time.monotonic() + DEADLINE
  while not (found := condition()):
    assert time.monotonic() < end, "what is waited for does not happen"
    time.sleep(0.005)
  return found
