"""The batches of a plan, made in a thread while the device computes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import jraph
import numpy as np

from gnn_readout.data.batches.collate import collate
from gnn_readout.data.batches.plan import BatchPlan, Epoch, make_eval_plan
from gnn_readout.data.batches.prefetch import prefetch as run_ahead
from gnn_readout.data.store import GraphStore

_WINDOW_ELEMENTS = 1 << 17  # Nodes and edges copied together: fits a cache.

ALL = slice(None)

T = TypeVar("T")


class TrainBatch(NamedTuple):
  """A training batch and its place.

  Attributes:
    step: From 0.
    epoch: From 0.
    batch: Batch of numpy arrays, see `collate`; their first axis is that of the
      shares, if the plan has several.
    real: [3] graphs, nodes and edges in all its shares.
  """

  step: int
  epoch: int
  batch: jraph.GraphsTuple
  real: np.ndarray


def train_batches(
  plan: BatchPlan,
  start_step: int = 0,
  prefetch: int = 4,
  shares: slice = ALL,
) -> Iterator[TrainBatch]:
  """Iterates over training batches for ever.

  Args:
    plan: From `make_plan`.
    start_step: The step to start at; step k gets the same batch wherever the
      iteration started.
    prefetch: Windows of batches to keep ready in a thread; 0 for no thread.
    shares: For a plan with several shares, which shares of each batch to make.

  Returns:
    An iterator of batches. Closing it ends the thread.

  Raises:
    ValueError: If `start_step` is negative.
  """
  if start_step < 0:
    raise ValueError(f"start_step must not be negative, got {start_step}.")
  return each(_train_windows(plan, start_step, shares), prefetch)


def eval_batches(
  store: GraphStore,
  split: str,
  batch_size: int,
  num_buckets: int = 4,
  prefetch: int = 4,
) -> Iterator[jraph.GraphsTuple]:
  """Iterates once over a split; `globals['index']` says which graph is where.

  Args:
    store: The graphs.
    split: A name in `store.splits`.
    batch_size: Most graphs in a batch.
    num_buckets: Most shapes.
    prefetch: Windows of batches to keep ready in a thread; 0 for no thread.

  Returns:
    An iterator of batches of numpy arrays, see `collate`.

  Raises:
    ValueError: As `make_eval_plan`.
  """
  plan = make_eval_plan(store, split, batch_size, num_buckets)
  return each(_windows(plan, plan.epoch(0), 0, ALL), prefetch)


def each(windows: Iterator[list[T]], prefetch: int) -> Iterator[T]:
  """Yields the items of windows that a thread runs ahead with."""
  with contextlib.closing(run_ahead(windows, prefetch)) as ready:
    for window in ready:
      yield from window


def _train_windows(
  plan: BatchPlan, start_step: int, shares: slice
) -> Iterator[list[TrainBatch]]:
  first, skip = 0, start_step  # The epoch to start in, and where in it.
  if plan.mode == "paper":  # Epochs differ in length.
    while skip >= (steps := len(plan.epoch(first).buckets)):
      first, skip = first + 1, skip - steps
  else:
    first, skip = divmod(start_step, plan.steps_per_epoch)
  step = start_step
  for number in itertools.count(first):
    epoch = plan.epoch(number)
    for window in _windows(plan, epoch, skip, shares):
      yield [
        TrainBatch(step + i, number, batch, epoch.totals[skip + i])
        for i, batch in enumerate(window)
      ]
      step, skip = step + len(window), skip + len(window)
    skip = 0


def _windows(
  plan: BatchPlan, epoch: Epoch, start: int, shares: slice
) -> Iterator[list[jraph.GraphsTuple]]:
  """Yields lists of consecutive batches, from batch `start` on."""
  count = len(range(plan.num_shares)[shares])
  _, num_nodes, num_edges = plan.budgets[-1]
  length = max(1, _WINDOW_ELEMENTS // (count * (num_nodes + num_edges)))
  for first in range(start, len(epoch.buckets), length):
    window = slice(first, first + length)
    budgets = [plan.budgets[bucket] for bucket in epoch.buckets[window]]
    lead = (count,) if plan.num_shares > 1 else ()
    yield collate(plan.store, *epoch.part(window, shares), budgets, lead)
