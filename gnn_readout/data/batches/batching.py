"""Which graphs share a batch, in which shape, in every epoch.

A plan follows from sizes and a seed alone, so any step's batch can be made
again. `collate` then copies the graphs of a whole window of batches, in a
thread, while the device computes.

Letters: G graphs of an epoch, M batches of an epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jraph
import numpy as np

from gnn_readout.data.batches import budgets as budgets_lib
from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import collate
from gnn_readout.data.batches.prefetch import prefetch as run_ahead
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest

MODES = ("bucketed", "paper")

_SAMPLED_EPOCHS = 16
_SAMPLED_BATCHES = 4096
_SAMPLE_SEED = 20220515  # Shapes do not depend on the seed of a run.
_WINDOW_ELEMENTS = 1 << 17  # Nodes and edges copied together: fits a cache.

# Populations on other folds of a dataset should meet no new shapes.
_TRAIN_BITS, _EVAL_BITS = 5, 3

T = TypeVar("T")


class Epoch(NamedTuple):
  """One pass over the data; batch b is `order[offsets[b]:offsets[b + 1]]`.

  Attributes:
    order: [G] graph indices into the store.
    offsets: [M + 1] where each batch starts in `order`.
    buckets: [M] which of the plan's budgets each batch is padded to.
  """

  order: np.ndarray
  offsets: np.ndarray
  buckets: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPlan:
  """The batches of every epoch.

  Attributes:
    store: Where the graphs are.
    graphs: [G] graph indices of the split.
    mode: 'bucketed', 'paper' or 'evaluation'.
    batch_size: Most graphs in a batch.
    max_nodes: Most nodes in a batch (paper mode, else 0).
    seed: Of the shuffling.
    budgets: The shapes, smallest first; no batch has another.
    steps_per_epoch: Batches of an epoch; in paper mode, where epochs differ,
      the mean of several, rounded.
  """

  store: GraphStore
  graphs: np.ndarray
  mode: str
  batch_size: int
  max_nodes: int
  seed: int
  budgets: tuple[Budget, ...]
  steps_per_epoch: int

  def epoch(self, epoch: int) -> Epoch:
    """Returns the batches of an epoch, the same at every call.

    Bucketed: an order in which some batch exceeds the largest budget is drawn
    again. So all orders that fit are equally likely, and no batch is split,
    cut, or given a new shape.
    """
    if self.mode == "evaluation":
      return self._epoch(*_deal(self.store, self.graphs, self.steps_per_epoch))
    rng = np.random.default_rng([self.seed, epoch])
    if self.mode == "paper":
      order = rng.permutation(self.graphs)
      nodes = _sizes(self.store.node_offsets, order)
      return self._epoch(order, _fill(nodes, self.batch_size, self.max_nodes))
    while True:
      order, offsets = _shuffle(
        rng, self.graphs, self.batch_size, self.steps_per_epoch
      )
      result = self._epoch(order, offsets)
      if result.buckets.max() < len(self.budgets):
        return result

  def summary(self) -> dict[str, Any]:
    """Returns the shapes, and how full the batches of the first epoch are.

    Returns:
      `mode`, `steps_per_epoch`, `num_shapes`, `budgets` (each [graphs, nodes,
      edges]), `batches_per_budget`, and the real share of the graphs, nodes
      and edges in padded batches: `graph_fill`, `node_fill`, `edge_fill`.
    """
    order, offsets, buckets = self.epoch(0)
    used = np.bincount(buckets, minlength=len(self.budgets))
    padded = used @ np.array(self.budgets)  # [3]
    fill = _totals(self.store, order, offsets).sum(0) / padded
    names = ("graph_fill", "node_fill", "edge_fill")
    return {
      "mode": self.mode,
      "steps_per_epoch": self.steps_per_epoch,
      "num_shapes": len(self.budgets),
      "budgets": [list(budget) for budget in self.budgets],
      "batches_per_budget": used.tolist(),
      **dict(zip(names, fill.tolist(), strict=True)),
    }

  def _epoch(self, order: np.ndarray, offsets: np.ndarray) -> Epoch:
    totals = _totals(self.store, order, offsets)
    return Epoch(order, offsets, budgets_lib.smallest(self.budgets, totals))


def make_plan(
  store: GraphStore,
  split: str,
  mode: str = "bucketed",
  batch_size: int = 32,
  max_nodes: int | None = None,
  num_buckets: int = 4,
  keep_last: bool = False,
  seed: int = 0,
) -> BatchPlan:
  """Plans the training batches of a split.

  Bucketed: exactly `batch_size` graphs in each batch, the incomplete last
  batch of an epoch dropped or kept, padded to the smallest of a few budgets
  that suit the data.
  Paper: graphs in random order fill a batch until the next one would make it
  more than `batch_size` graphs or `max_nodes` nodes, as
  `jraph.dynamically_batch` does; one shape, with room for as many edges as
  such a batch can have.

  Args:
    store: The graphs.
    split: A name in `store.splits`.
    mode: 'bucketed' or 'paper'.
    batch_size: Graphs in a batch (paper mode: at most).
    max_nodes: Most real nodes in a batch; paper mode only.
    num_buckets: Most shapes; bucketed mode only.
    keep_last: Whether the graphs left over at the end of an epoch make a
      smaller batch; bucketed mode only.
    seed: Of the shuffling; the shapes do not depend on it.

  Returns:
    The plan.

  Raises:
    ValueError: For an unknown split or mode, an empty split, a size that is
      not positive, a split smaller than one batch, or a graph of more than
      `max_nodes` nodes.
  """
  if mode not in MODES:
    raise ValueError(f"unknown batching mode {mode!r}.{suggest(mode, MODES)}")
  graphs = _graphs_of(store, split)
  _check_positive(batch_size=batch_size)
  if mode == "paper":
    _check_positive(max_nodes=max_nodes)
    budget = _paper_budget(store, graphs, batch_size, max_nodes)
    plan = BatchPlan(
      store, graphs, mode, batch_size, max_nodes, seed, (budget,), 0
    )
    steps = [len(plan.epoch(e).buckets) for e in range(4)]
    return dataclasses.replace(plan, steps_per_epoch=round(np.mean(steps)))
  _check_positive(num_buckets=num_buckets)
  steps = num_batches(len(graphs), batch_size, keep_last)
  if not steps:
    raise ValueError(
      f"batch_size={batch_size} is more than the {len(graphs)} graphs of split"
      f" {split!r}; it must be at most {len(graphs)}."
    )
  # A new epoch exceeds all of k sampled ones with probability 1 / (k + 1), so
  # the largest budget holds nearly every epoch.
  rng = np.random.default_rng(_SAMPLE_SEED)
  epochs = max(_SAMPLED_EPOCHS, _SAMPLED_BATCHES // steps)
  totals = [
    _totals(store, *_shuffle(rng, graphs, batch_size, steps))
    for _ in range(epochs)
  ]
  budgets = budgets_lib.choose(np.concatenate(totals), batch_size, num_buckets)
  return BatchPlan(store, graphs, mode, batch_size, 0, seed, budgets, steps)


def make_eval_plan(
  store: GraphStore, split: str, batch_size: int, num_buckets: int = 4
) -> BatchPlan:
  """Plans a pass over a split that visits every graph exactly once.

  Nothing is random. Graphs are dealt to batches so that all batches have
  nearly the same number of nodes; one or two shapes are enough.

  Args:
    store: The graphs.
    split: A name in `store.splits`.
    batch_size: Most graphs in a batch.
    num_buckets: Most shapes.

  Returns:
    The plan; its epochs are all the same.

  Raises:
    ValueError: For an unknown or empty split or a size that is not positive.
  """
  graphs = _graphs_of(store, split)
  _check_positive(batch_size=batch_size, num_buckets=num_buckets)
  num_batches = -(-len(graphs) // batch_size)
  totals = _totals(store, *_deal(store, graphs, num_batches))
  budgets = budgets_lib.choose(totals, batch_size, num_buckets)
  return BatchPlan(
    store, graphs, "evaluation", batch_size, 0, 0, budgets, num_batches
  )


def train_batches(
  plan: BatchPlan, start_step: int = 0, prefetch: int = 4
) -> Iterator[tuple[int, int, jraph.GraphsTuple]]:
  """Iterates over training batches for ever.

  Args:
    plan: From `make_plan`.
    start_step: The step to start at; step k gets the same batch wherever the
      iteration started.
    prefetch: Windows of batches to keep ready in a thread; 0 for no thread.

  Returns:
    An iterator of (step, epoch, batch); both numbers count from 0, the batch
    holds numpy arrays, see `collate`. Closing it ends the thread.

  Raises:
    ValueError: If `start_step` is negative.
  """
  if start_step < 0:
    raise ValueError(f"start_step must not be negative, got {start_step}.")
  return _each(_train_windows(plan, start_step), prefetch)


def member_batches(
  plans: Sequence[BatchPlan], start_step: int = 0, prefetch: int = 4
) -> Iterator[tuple[int, jraph.GraphsTuple]]:
  """Iterates over the training batches of many runs at once, for ever.

  Member m gets the graphs that `train_batches(plans[m])` would give it. At
  every step all members share a shape, that of the largest batch.

  Args:
    plans: Bucketed, one per member, with one batch size and as many steps per
      epoch; their stores may differ in their splits alone.
    start_step: The step to start at.
    prefetch: Batches to keep ready in a thread; 0 for no thread.

  Returns:
    An iterator of (step, batch); the arrays of the batch have the member as
    their first axis. Closing it ends the thread.

  Raises:
    ValueError: If the plans do not fit together.
  """
  first = plans[0]
  for plan in plans:
    if plan.mode != "bucketed":
      raise ValueError(
        "members of a population need batching.mode 'bucketed', got"
        f" {plan.mode!r}"
      )
    if plan.steps_per_epoch != first.steps_per_epoch:
      raise ValueError(
        "members of one program need as many steps per epoch, got"
        f" {first.steps_per_epoch} and {plan.steps_per_epoch}"
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

  def windows():
    start_epoch, skip = divmod(start_step, first.steps_per_epoch)
    step = start_step
    for epoch in itertools.count(start_epoch):
      epochs = [plan.epoch(epoch) for plan in plans]
      totals = [_totals(first.store, e.order, e.offsets) for e in epochs]
      buckets = budgets_lib.smallest(budgets, np.max(totals, axis=0))
      for b in range(skip, first.steps_per_epoch):
        graphs = [e.order[e.offsets[b] : e.offsets[b + 1]] for e in epochs]
        budget = budgets[buckets[b]]
        yield [(step, _stack(first.store, graphs, budget))]
        step += 1
      skip = 0

  if start_step < 0:
    raise ValueError(f"start_step must not be negative, got {start_step}.")
  return _each(windows(), prefetch)


def member_eval_batches(
  store: GraphStore, graphs: Sequence[np.ndarray], batch_size: int
) -> list[jraph.GraphsTuple]:
  """Returns batches in which every member's graphs are met exactly once.

  Args:
    store: The graphs.
    graphs: For each member, indices of graphs; their numbers may differ.
    batch_size: Most graphs of a member in a batch.

  Returns:
    Batches of one shape; the first axis of their arrays is the member's.
  """
  num_batches = max(-(-len(g) // batch_size) for g in graphs)
  dealt = [_deal(store, g, num_batches) for g in graphs]
  totals = np.concatenate([_totals(store, *deal) for deal in dealt])
  budget = budgets_lib.enclosing(*totals.max(axis=0).tolist())
  budget = budgets_lib.rounded(budget, _EVAL_BITS)
  return [
    _stack(
      store,
      [order[offsets[b] : offsets[b + 1]] for order, offsets in dealt],
      budget,
    )
    for b in range(num_batches)
  ]


def _stack(
  store: GraphStore, graphs: Sequence[np.ndarray], budget: Budget
) -> jraph.GraphsTuple:
  """Returns one batch per member, stacked."""
  offsets = np.concatenate([[0], np.cumsum([len(g) for g in graphs])])
  batches = collate(
    store, np.concatenate(graphs), offsets, [budget] * len(graphs)
  )
  return jax.tree.map(lambda *arrays: np.stack(arrays), *batches)


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
  return _each(_windows(plan, plan.epoch(0), 0), prefetch)


def _train_windows(
  plan: BatchPlan, start_step: int
) -> Iterator[list[tuple[int, int, jraph.GraphsTuple]]]:
  first, skip = 0, start_step  # The epoch to start in, and where in it.
  if plan.mode == "paper":  # Epochs differ in length.
    while skip >= (steps := len(plan.epoch(first).buckets)):
      first, skip = first + 1, skip - steps
  else:
    first, skip = divmod(start_step, plan.steps_per_epoch)
  step = start_step
  for epoch in itertools.count(first):
    for window in _windows(plan, plan.epoch(epoch), skip):
      yield [(step + i, epoch, batch) for i, batch in enumerate(window)]
      step += len(window)
    skip = 0


def _windows(
  plan: BatchPlan, epoch: Epoch, start: int
) -> Iterator[list[jraph.GraphsTuple]]:
  """Yields lists of consecutive batches, from batch `start` on."""
  _, num_nodes, num_edges = plan.budgets[-1]
  length = max(1, _WINDOW_ELEMENTS // (num_nodes + num_edges))
  for first in range(start, len(epoch.buckets), length):
    buckets = epoch.buckets[first : first + length]
    offsets = epoch.offsets[first : first + length + 1]
    yield collate(
      plan.store,
      epoch.order[offsets[0] : offsets[-1]],
      offsets - offsets[0],
      [plan.budgets[bucket] for bucket in buckets],
    )


def _each(windows: Iterator[list[T]], prefetch: int) -> Iterator[T]:
  with contextlib.closing(run_ahead(windows, prefetch)) as ready:
    for window in ready:
      yield from window


def _graphs_of(store: GraphStore, split: str) -> np.ndarray:
  name = store.schema.name
  if split not in store.splits:
    raise ValueError(
      f"unknown split {split!r} of {name}.{suggest(split, store.splits)}"
    )
  if not len(store.splits[split]):
    raise ValueError(f"split {split!r} of {name} is empty.")
  return store.splits[split]


def _check_positive(**sizes: int | None) -> None:
  for name, size in sizes.items():
    if not isinstance(size, (int, np.integer)) or size <= 0:
      raise ValueError(f"{name} must be a positive integer, got {size}.")


def _sizes(offsets: np.ndarray, graphs: np.ndarray) -> np.ndarray:
  return offsets[graphs + 1] - offsets[graphs]


def _totals(
  store: GraphStore, order: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
  """Returns [M, 3] real graphs, nodes and edges of each batch."""
  totals = [np.diff(offsets)]
  for starts in (store.node_offsets, store.edge_offsets):
    ends = np.cumsum(_sizes(starts, order))
    totals.append(np.diff(ends[offsets[1:] - 1], prepend=0))
  return np.stack(totals, axis=1)


def num_batches(num_graphs: int, batch_size: int, keep_last: bool) -> int:
  """Returns how many bucketed batches an epoch has."""
  return (num_graphs + keep_last * (batch_size - 1)) // batch_size


def _shuffle(
  rng: np.random.Generator,
  graphs: np.ndarray,
  batch_size: int,
  num_batches: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns order and offsets of batches in random order, full but the last."""
  offsets = np.minimum(np.arange(num_batches + 1) * batch_size, len(graphs))
  return rng.permutation(graphs)[: offsets[-1]], offsets


def _fill(nodes: np.ndarray, max_graphs: int, max_nodes: int) -> np.ndarray:
  """Returns offsets of batches that end where the next graph does not fit."""
  total = np.concatenate([[0], np.cumsum(nodes)])  # [G + 1]
  # Where a batch would end, for every graph that it might start with.
  ends = np.searchsorted(total, total + max_nodes, side="right") - 1
  ends = np.minimum(ends, np.arange(len(total)) + max_graphs).tolist()
  offsets = [0]
  while offsets[-1] < len(nodes):
    offsets.append(ends[offsets[-1]])
  return np.array(offsets)


def _deal(
  store: GraphStore, graphs: np.ndarray, num_batches: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns order and offsets of batches with nearly equal node totals.

  Graphs are dealt in rounds, largest first; in each, every batch gets one
  graph, and the fullest batch the smallest. The last round may be short.
  """
  nodes = _sizes(store.node_offsets, graphs)
  largest_first = np.argsort(-nodes, kind="stable")
  totals = np.zeros(num_batches, np.int64)
  batch = np.empty(len(graphs), np.int64)  # [G], where each graph goes
  for start in range(0, len(graphs), num_batches):
    dealt = largest_first[start : start + num_batches]
    emptiest = np.argsort(totals, kind="stable")[: len(dealt)]
    batch[dealt] = emptiest
    totals[emptiest] += nodes[dealt]
  counts = np.bincount(batch, minlength=num_batches)
  offsets = np.concatenate([[0], np.cumsum(counts)])
  return graphs[np.argsort(batch, kind="stable")], offsets


def _paper_budget(
  store: GraphStore, graphs: np.ndarray, max_graphs: int, max_nodes: int
) -> Budget:
  nodes = _sizes(store.node_offsets, graphs)
  edges = _sizes(store.edge_offsets, graphs)
  if (nodes > max_nodes).any():
    largest = np.argmax(nodes)
    raise ValueError(
      f"graph {graphs[largest]} has {nodes[largest]} nodes, more than"
      f" max_nodes={max_nodes}; max_nodes must be at least {nodes[largest]}."
    )
  # The most edges that either limit lets into a batch.
  by_graphs = np.sort(edges)[-max_graphs:].sum()
  by_nodes = np.ceil((edges / np.maximum(nodes, 1)).max() * max_nodes)
  num_edges = int(min(by_graphs, by_nodes))
  return budgets_lib.enclosing(max_graphs, max_nodes, num_edges)
