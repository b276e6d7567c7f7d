"""An iterator run ahead of its consumer in a thread."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterator[T], depth: int) -> Generator[T, None, None]:
  """Yields what `items` yields, prepared in a thread.

  The thread starts at the first `next`, and ends when this generator is
  closed or dropped. What `items` raises is raised here, after the items
  before it.

  Args:
    items: The iterator to run.
    depth: Items that may be ready at most; 0 runs `items` here, no thread.

  Yields:
    The items, in order.
  """
  if not depth:
    yield from items
    return
  ready: queue.Queue = queue.Queue(depth)
  stop = threading.Event()

  def work():
    error = None
    try:
      for item in items:
        ready.put((item, False))
        if stop.is_set():
          return
    except BaseException as raised:
      error = raised
    ready.put((error, True))

  thread = threading.Thread(target=work, name="prefetch", daemon=True)
  thread.start()
  try:
    while True:
      item, is_end = ready.get()
      if not is_end:
        yield item
      elif item is not None:
        raise item
      else:
        return
  finally:
    stop.set()
    while thread.is_alive():  # Perhaps waiting for room in the queue.
      with contextlib.suppress(queue.Empty):
        ready.get_nowait()
      thread.join(0.01)
