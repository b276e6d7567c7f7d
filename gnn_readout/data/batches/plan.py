"""The batches of every epoch, from sizes and a seed alone.

So any step's batch can be made again, see `streams`.

Letters: G graphs of an epoch, M batches of an epoch, D shares of a batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.batches import budgets as budgets_lib
from gnn_readout.data.batches import deal
from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import ranges
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest
from gnn_readout.wording import counted

MODES = ("bucketed", "paper")

_SAMPLED_EPOCHS = 16
_SAMPLED_BATCHES = 4096
_SAMPLE_SEED = 20220515  # Shapes do not depend on the seed of a run.


class Epoch(NamedTuple):
  """One pass over the data; share s is `order[offsets[s]:offsets[s + 1]]`.

  The shares of batch b are b D to b D + D - 1; mostly D is 1, and a batch its
  only share.

  Attributes:
    order: [G] graph indices into the store.
    offsets: [M D + 1] where each share starts in `order`.
    buckets: [M] which of the plan's budgets the shares of each batch are
      padded to.
    totals: [M, 3] real graphs, nodes and edges of each batch.
  """

  order: np.ndarray
  offsets: np.ndarray
  buckets: np.ndarray
  totals: np.ndarray

  def part(
    self, batches: slice, shares: slice
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the graphs of some shares of some batches, and their offsets.

    Args:
      batches: Which batches.
      shares: Which of the D shares of each.
    """
    num_batches = len(self.buckets)
    starts, ends = (
      x.reshape(num_batches, -1)[batches, shares].ravel()
      for x in (self.offsets[:-1], self.offsets[1:])
    )
    counts = ends - starts
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return self.order[ranges(starts, counts)], offsets


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPlan:
  """The batches of every epoch.

  Attributes:
    store: Where the graphs are.
    graphs: [G] graph indices of the split.
    mode: 'bucketed', 'paper' or 'evaluation'.
    batch_size: Most graphs in a batch.
    max_nodes: Most nodes in a batch (paper mode, else 0).
    seed: Seed of the shuffling.
    budgets: The shapes, smallest first; no share has another.
    steps_per_epoch: Batches of an epoch; in paper mode, where epochs differ,
      the mean of several, rounded.
    num_shares: D; the shares of a batch have one shape, and which graphs are
      in a batch does not depend on it.
    whole: Budgets of batches of one share, if there is more than one.
  """

  store: GraphStore
  graphs: np.ndarray
  mode: str
  batch_size: int
  max_nodes: int
  seed: int
  budgets: tuple[Budget, ...]
  steps_per_epoch: int
  num_shares: int = 1
  whole: tuple[Budget, ...] = ()

  def epoch(self, epoch: int) -> Epoch:
    """Returns the batches of an epoch, the same at every call.

    Bucketed: an order in which some batch exceeds the largest budget is drawn
    again. So all orders that fit are equally likely, and no batch is split,
    cut, or given a new shape.
    """
    if self.mode == "evaluation":
      return self._epoch(
        *deal.levelled(self.store, self.graphs, self.steps_per_epoch)
      )
    rng = np.random.default_rng([self.seed, epoch])
    whole = self.whole or self.budgets
    if self.mode == "paper":
      order = rng.permutation(self.graphs)
      nodes = deal.sizes(self.store.node_offsets, order)
      return self._epoch(
        order, deal.filled(nodes, self.batch_size, self.max_nodes)
      )
    while True:
      order, offsets = deal.shuffled(
        rng, self.graphs, self.batch_size, self.steps_per_epoch
      )
      totals = deal.totals(self.store, order, offsets)
      if budgets_lib.smallest(whole, totals).max() < len(whole):
        return self._epoch(order, offsets)

  def summary(self) -> dict[str, Any]:
    """Returns the shapes, and how full the batches of the first epoch are.

    Returns:
      `mode`, `steps_per_epoch`, `num_shapes`, `budgets` (each [graphs, nodes,
      edges]), `batches_per_budget`, and the real part of the graphs, nodes
      and edges in padded batches: `graph_fill`, `node_fill`, `edge_fill`.
    """
    first = self.epoch(0)
    used = np.bincount(first.buckets, minlength=len(self.budgets))
    padded = self.num_shares * (used @ np.array(self.budgets))  # [3]
    fill = first.totals.sum(0) / padded
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
    if self.num_shares > 1:
      order, offsets = deal.among_shares(
        self.store, order, offsets, self.num_shares
      )
    totals = deal.totals(self.store, order, offsets)
    totals = totals.reshape(-1, self.num_shares, 3)  # [M, D, 3]
    buckets = budgets_lib.smallest(self.budgets, totals.max(axis=1))
    return Epoch(order, offsets, buckets, totals.sum(axis=1))


def make_plan(
  store: GraphStore,
  split: str,
  mode: str = "bucketed",
  batch_size: int = 32,
  max_nodes: int | None = None,
  num_buckets: int = 4,
  keep_last: bool = False,
  seed: int = 0,
  num_shares: int = 1,
) -> BatchPlan:
  """Plans the training batches of a split.

  Bucketed: exactly `batch_size` graphs in each batch, the incomplete last
  batch of an epoch dropped or kept, padded to the smallest of a few budgets
  that suit the data. A split of fewer graphs is one batch.
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
    seed: Seed of the shuffling; the shapes do not depend on it.
    num_shares: D, into how many shares of one shape each batch is dealt.

  Returns:
    The plan.

  Raises:
    ValueError: For an unknown split or mode, an empty split, a size that is
      not positive, a graph of more than `max_nodes` nodes, or a batch that
      cannot be dealt into D equal shares.
  """
  if mode not in MODES:
    raise ValueError(f"unknown batching mode {mode!r}.{suggest(mode, MODES)}")
  graphs = _graphs_of(store, split)
  _check_positive(batch_size=batch_size)
  check_shares(batch_size, num_shares)
  if mode == "paper":
    most = _positive("max_nodes", max_nodes)
    budget = _paper_budget(store, graphs, batch_size, most)
    plan = BatchPlan(store, graphs, mode, batch_size, most, seed, (budget,), 0)
    lengths = [len(plan.epoch(e).buckets) for e in range(4)]
    plan = dataclasses.replace(plan, steps_per_epoch=round(np.mean(lengths)))
    sample = dataclasses.replace(plan, seed=_SAMPLE_SEED)
    dealings = [sample.epoch(e)[:2] for e in range(_SAMPLED_EPOCHS)]
    return _dealt_to_shares(plan, num_shares, 1, dealings)
  _check_positive(num_buckets=num_buckets)
  batch_size = min(batch_size, len(graphs))
  steps = deal.num_batches(len(graphs), batch_size, keep_last)
  # A new epoch exceeds all of k sampled ones with probability 1 / (k + 1), so
  # the largest budget holds nearly every epoch.
  rng = np.random.default_rng(_SAMPLE_SEED)
  epochs = max(_SAMPLED_EPOCHS, _SAMPLED_BATCHES // steps)
  dealings = [
    deal.shuffled(rng, graphs, batch_size, steps) for _ in range(epochs)
  ]
  totals = [deal.totals(store, *dealing) for dealing in dealings]
  budgets = budgets_lib.choose(np.concatenate(totals), batch_size, num_buckets)
  plan = BatchPlan(store, graphs, mode, batch_size, 0, seed, budgets, steps)
  return _dealt_to_shares(plan, num_shares, num_buckets, dealings)


def check_shares(batch_size: int, num_shares: int) -> None:
  """Raises ValueError unless a batch can be dealt into D equal shares.

  Args:
    batch_size: Graphs in a batch.
    num_shares: D.
  """
  if batch_size % num_shares:
    raise ValueError(
      f"batch_size={batch_size} cannot be divided evenly among {num_shares}"
      f" devices; it must be a multiple of {num_shares}"
    )


def _dealt_to_shares(
  plan: BatchPlan,
  num_shares: int,
  num_buckets: int,
  dealings: Sequence[tuple[np.ndarray, np.ndarray]],
) -> BatchPlan:
  """Returns the plan of the same batches in D shares each.

  Args:
    plan: Plan whose batches have one share.
    num_shares: D.
    num_buckets: Most shapes for what is usual.
    dealings: Dealings of some epochs, to see what is usual.
  """
  if num_shares == 1:
    return plan
  orders, offsets = zip(*dealings, strict=True)
  counts = np.concatenate([np.diff(x) for x in offsets])
  shares = deal.among_shares(
    plan.store,
    np.concatenate(orders),
    np.concatenate([[0], np.cumsum(counts)]),
    num_shares,
  )
  totals = deal.totals(plan.store, *shares).reshape(-1, num_shares, 3)
  size = -(-plan.batch_size // num_shares)  # Graphs may be too few.
  budgets = budgets_lib.choose(totals.max(axis=1), size, num_buckets)
  # The batches are given: an order that fits must fit here as well. Nothing is
  # compiled for a shape that is never used.
  largest = [
    int(np.sort(deal.sizes(offsets, plan.graphs))[-size:].sum())
    for offsets in (plan.store.node_offsets, plan.store.edge_offsets)
  ]
  bound = np.minimum(budgets_lib.enclosing(size, *largest), plan.budgets[-1])
  bound = Budget(*np.maximum(budgets[-1], bound).tolist())
  if bound != budgets[-1]:
    budgets = (*budgets, bound)
  return dataclasses.replace(
    plan, budgets=budgets, num_shares=num_shares, whole=plan.budgets
  )


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
  totals = deal.totals(store, *deal.levelled(store, graphs, num_batches))
  budgets = budgets_lib.choose(totals, batch_size, num_buckets)
  return BatchPlan(
    store, graphs, "evaluation", batch_size, 0, 0, budgets, num_batches
  )


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
    _positive(name, size)


def _positive(name: str, size: int | None) -> int:
  if not isinstance(size, (int, np.integer)) or size <= 0:
    raise ValueError(f"{name} must be a positive integer, got {size}.")
  return size


def _paper_budget(
  store: GraphStore, graphs: np.ndarray, max_graphs: int, max_nodes: int
) -> Budget:
  nodes = deal.sizes(store.node_offsets, graphs)
  edges = deal.sizes(store.edge_offsets, graphs)
  if (nodes > max_nodes).any():
    largest = np.argmax(nodes)
    raise ValueError(
      f"graph {graphs[largest]} has {counted(nodes[largest], 'node')}, more"
      f" than max_nodes={max_nodes}; max_nodes must be at least"
      f" {nodes[largest]}."
    )
  # The most edges that either limit lets into a batch.
  by_graphs = np.sort(edges)[-max_graphs:].sum()
  by_nodes = np.ceil((edges / np.maximum(nodes, 1)).max() * max_nodes)
  num_edges = int(min(by_graphs, by_nodes))
  return budgets_lib.enclosing(max_graphs, max_nodes, num_edges)
