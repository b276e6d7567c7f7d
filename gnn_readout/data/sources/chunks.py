"""Long lists worked off by several processes."""

from __future__ import annotations

import collections
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from absl import logging

_CHUNK = 512  # Items per message to a worker.
_PARALLEL_FROM = 2_000  # Starting processes costs as much as so many items.
_AHEAD = 4  # Messages that wait for each worker, or their answers for us.


def in_chunks(
  function: Callable[[Sequence[str]], object],
  items: Sequence[str],
  num_workers: int | None = None,
) -> list:
  """Returns `function` of runs of items, in order.

  Args:
    function: A function of a few items, at the top level of a module.
    items: Any number of texts.
    num_workers: Processes; None = one per core. Few items take one.
  """
  return list(chunks(function, items, num_workers))


def chunks(
  function: Callable[[Sequence[str]], object],
  items: Sequence[str],
  num_workers: int | None = None,
) -> Iterator:
  """Yields `function` of runs of items, in order, a few of them ahead of time.

  Args:
    function: As `in_chunks` takes it.
    items: As `in_chunks` takes it.
    num_workers: As `in_chunks` takes it.
  """
  parts = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
  workers = min(num_workers or _num_cores(), len(parts))
  done = 0
  if workers > 1 and len(items) >= _PARALLEL_FROM:
    try:
      for result in _by_processes(function, parts, workers):
        yield result
        done += 1
    except BrokenProcessPool:
      logging.warning(
        "A process that reads SMILES died; the rest is read in a single"
        " process."
      )
  yield from (function(part) for part in parts[done:])


def _by_processes(
  function: Callable[[Sequence[str]], object],
  parts: Sequence[Sequence[str]],
  workers: int,
) -> Iterator:
  # Fresh processes: a copy of this one would have locks that its threads hold.
  context = multiprocessing.get_context("spawn")
  waiting: collections.deque = collections.deque()
  left = iter(parts)
  with ProcessPoolExecutor(workers, context) as pool:
    try:
      while True:
        for part in left:
          waiting.append(pool.submit(function, part))
          if len(waiting) >= _AHEAD * workers:
            break
        if not waiting:
          return
        yield waiting.popleft().result()
    finally:  # Nobody wants the rest, if there is any.
      for future in waiting:
        future.cancel()


def _num_cores() -> int:
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))  # A container may allow but a few.
  return os.cpu_count() or 1
