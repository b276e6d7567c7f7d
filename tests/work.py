"""A measure of work that is the same on a busy machine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def lines_of_python(function: Callable[[], object]) -> int:
  """Returns how many lines of Python a call executes, in all threads.

  What compiled code does is not counted: a loop over the rows of a table is,
  and the same done by numpy is one line.
  """
  count = 0

  def trace(frame, event, argument):
    nonlocal count
    count += event == "line"
    return trace

  before = sys.gettrace()
  threading.settrace(trace)
  sys.settrace(trace)
  try:
    function()
  finally:
    sys.settrace(before)
    threading.settrace(before)
  return count
