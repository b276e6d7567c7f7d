"""Long lists worked off by several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from absl import logging

_CHUNK = 512  # Items per message to a worker.
_PARALLEL_FROM = 2_000  # Starting processes costs as much as so many items.


def in_chunks(
  function: Callable[[Sequence[str]], object],
  items: Sequence[str],
  num_workers: int | None = None,
) -> list:
  """Returns `function` of runs of items, in order.

  Args:
    function: Of a few items, at the top level of a module.
    items: Any number of texts.
    num_workers: Processes; None = one per core. Few items take one.
  """
  chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
  workers = min(num_workers or _num_cores(), len(chunks))
  if workers > 1 and len(items) >= _PARALLEL_FROM:
    # Fresh processes: a copy of this one would have locks that its threads
    # hold.
    context = multiprocessing.get_context("spawn")
    try:
      with ProcessPoolExecutor(workers, context) as pool:
        return list(pool.map(function, chunks))
    except BrokenProcessPool:
      logging.warning("A process for SMILES died; going on in one process.")
  return [function(chunk) for chunk in chunks]


def _num_cores() -> int:
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))  # A container may allow but a few.
  return os.cpu_count() or 1
