"""The batches of many runs at once, the member as their first axis.

At every step all members share a shape. Shapes are rounded up to few binary
digits, so that populations on other folds of a dataset meet no new ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import jraph
import numpy as np

from gnn_readout.data.batches import budgets as budgets_lib
from gnn_readout.data.batches import deal
from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import collate
from gnn_readout.data.batches.plan import BatchPlan
from gnn_readout.data.batches.streams import ALL, TrainBatch, each
from gnn_readout.data.store import GraphStore

_TRAIN_BITS, _EVAL_BITS = 5, 3


def member_batches(
  plans: Sequence[BatchPlan],
  start_step: int = 0,
  prefetch: int = 4,
  shares: slice = ALL,
) -> Iterator[TrainBatch]:
  """Iterates over the training batches of many runs at once, for ever.

  Member m gets the graphs that `train_batches(plans[m])` would give it. At
  every step all members share a shape, that of the largest batch.

  Args:
    plans: Bucketed, one per member, with one batch size, one number of shares
      and as many steps per epoch; their stores may differ in their splits
      alone.
    start_step: The step to start at.
    prefetch: Batches to keep ready in a thread; 0 for no thread.
    shares: For plans with several shares, which shares of each batch to make.

  Returns:
    An iterator of batches whose arrays have the member as their first axis;
    `real` is [M, 3]. Closing it ends the thread.

  Raises:
    ValueError: If the plans do not fit together.
  """
  first = plans[0]
  for plan in plans:
    if plan.mode != "bucketed":
      raise ValueError(
        f"a population needs batching.mode='bucketed', got {plan.mode!r}"
      )
    if plan.steps_per_epoch != first.steps_per_epoch:
      raise ValueError(
        "members that train together need the same number of steps per epoch,"
        f" got {first.steps_per_epoch} and {plan.steps_per_epoch}"
      )
  # Shape k holds the k-th of every plan, of those that have so many.
  most = max(len(plan.budgets) for plan in plans)
  shapes = [
    [plan.budgets[min(k, len(plan.budgets) - 1)] for plan in plans]
    for k in range(most)
  ]
  budgets = tuple(
    budgets_lib.rounded(Budget(*np.max(shape, axis=0).tolist()), _TRAIN_BITS)
    for shape in shapes
  )

  count = len(range(first.num_shares)[shares])
  lead = (len(plans), count) if first.num_shares > 1 else (len(plans),)

  def windows():
    start_epoch, skip = divmod(start_step, first.steps_per_epoch)
    step = start_step
    for number in itertools.count(start_epoch):
      epochs = [plan.epoch(number) for plan in plans]
      totals = np.array(
        [deal.totals(first.store, e.order, e.offsets) for e in epochs]
      )  # [M, steps D, 3]
      totals = totals.reshape(
        len(plans), first.steps_per_epoch, first.num_shares, 3
      )
      buckets = budgets_lib.smallest(budgets, totals.max(axis=(0, 2)))
      for b in range(skip, first.steps_per_epoch):
        parts = [e.part(slice(b, b + 1), shares) for e in epochs]
        batch = _stack(first.store, parts, budgets[buckets[b]], lead)
        yield [TrainBatch(step, number, batch, totals[:, b].sum(axis=1))]
        step += 1
      skip = 0

  if start_step < 0:
    raise ValueError(f"start_step must not be negative, got {start_step}.")
  return each(windows(), prefetch)


def member_eval_batches(
  store: GraphStore, graphs: Sequence[np.ndarray], batch_size: int
) -> list[jraph.GraphsTuple]:
  """Returns batches in which every member's graphs are met exactly once.

  Args:
    store: The graphs.
    graphs: Indices of graphs for each member; their numbers may differ.
    batch_size: Most graphs of a member in a batch.

  Returns:
    Batches of one shape; the first axis of their arrays is the member's.
  """
  num_batches = max(-(-len(g) // batch_size) for g in graphs)
  dealt = [deal.levelled(store, g, num_batches) for g in graphs]
  totals = np.concatenate([deal.totals(store, *dealing) for dealing in dealt])
  budget = budgets_lib.enclosing(*totals.max(axis=0).tolist())
  budget = budgets_lib.rounded(budget, _EVAL_BITS)
  return [
    _stack(
      store,
      [
        (order[slice(*offsets[b : b + 2])], np.array([0, np.diff(offsets)[b]]))
        for order, offsets in dealt
      ],
      budget,
      (len(graphs),),
    )
    for b in range(num_batches)
  ]


def _stack(
  store: GraphStore,
  parts: Sequence[tuple[np.ndarray, np.ndarray]],
  budget: Budget,
  lead: tuple[int, ...],
) -> jraph.GraphsTuple:
  """Returns the batches of all members, each a pair (graphs, offsets)."""
  graphs, offsets = zip(*parts, strict=True)
  counts = np.concatenate([np.diff(x) for x in offsets])
  offsets = np.concatenate([[0], np.cumsum(counts)])
  (batch,) = collate(store, np.concatenate(graphs), offsets, [budget], lead)
  return batch
