"""Batches of graphs that come a window at a time, in few shapes.

A plan looks at all graphs before it chooses shapes. Where they are still being
made, a shape serves as long as another one would not save what it costs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator
from typing import NamedTuple

import jraph
import numpy as np

from gnn_readout.data.batches import budgets as budgets_lib
from gnn_readout.data.batches import deal
from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import collate
from gnn_readout.data.windows import Window

# Nodes and edges of padding that cost as much as to compile another shape.
_WORTH = 1 << 19
_BITS = 5  # Of the sizes of a shape: few different ones, little padding.
# What a shape can hold beyond the window that it is made for.
_ROOM, _ROOM_FOR_GRAPHS = 1.05, 1.5


class Padded(NamedTuple):
  """A batch, and whose it is.

  Attributes:
    batch: Padded; its real graphs come first.
    budget: Its shape.
    places: [g] which of the D graphs they are.
    sizes: [g] their nodes.
  """

  batch: jraph.GraphsTuple
  budget: Budget
  places: np.ndarray
  sizes: np.ndarray


class Shapes:
  """The shapes of batches, few though nobody knows what is still to come."""

  def __init__(self, most: int, num_nodes: int):
    """Starts without any.

    Args:
      most: Graphs in a batch.
      num_nodes: About so many nodes are wanted in a batch.
    """
    self._most, self._num_nodes, self._batch_size = most, num_nodes, 0
    self._budgets: list[Budget] = []

  def batches(self, window: Window) -> list[Padded]:
    """Returns the batches of a window."""
    store, graphs = window.store, window.graphs
    if not len(graphs):
      return []
    sizes = deal.sizes(store.node_offsets, graphs)
    if not self._batch_size:
      each = _ROOM_FOR_GRAPHS * self._num_nodes / max(sizes.mean(), 1)
      self._batch_size = int(np.clip(each, 1, self._most))
    # As many nodes in a batch whatever the window: they decide the shape.
    count = max(
      -(-len(graphs) // self._batch_size), -(-sizes.sum() // self._num_nodes)
    )
    order, offsets = deal.levelled(store, graphs, count)
    budgets = self._fitting(deal.totals(store, order, offsets))
    batches = collate(store, order, offsets, budgets)
    place = np.zeros(store.num_graphs, np.int64)
    place[graphs] = window.places
    return [
      Padded(
        batch,
        budget,
        place[order[a:b]],
        deal.sizes(store.node_offsets, order[a:b]),
      )
      for batch, budget, a, b in zip(
        batches, budgets, offsets[:-1], offsets[1:], strict=True
      )
    ]

  def _fitting(self, totals: np.ndarray) -> list[Budget]:
    """Returns the shape of each batch; a new one where it saves enough."""
    best = budgets_lib.choose(totals, self._batch_size, 2)
    chosen = budgets_lib.smallest(best, totals)
    found = {}
    for k, need in reversed([*enumerate(best)]):  # The largest serves others.
      held = [x for x in self._budgets if all(np.greater_equal(x, need))]
      budget = min(held, key=_elements, default=None)
      count = int((chosen == k).sum())
      roomy = (math.ceil(_ROOM * size) for size in need[1:])
      rounded = budgets_lib.rounded(Budget(need.num_graphs, *roomy), _BITS)
      saved = count * (_elements(budget) - _elements(rounded)) if budget else 0
      if budget is None or saved > _WORTH:
        budget = rounded
        self._budgets.append(budget)
      found[k] = budget
    return [found[k] for k in chosen]


def _elements(budget: Budget) -> int:
  return budget.num_nodes + budget.num_edges


def padded_batches(
  windows: Generator[Window, None, None], shapes: Shapes
) -> Iterator[list[Padded]]:
  """Yields the batches of each window; closing it closes the windows.

  Args:
    windows: A generator.
    shapes: What is known of the windows before.
  """
  with contextlib.closing(windows):
    for window in windows:
      yield shapes.batches(window)
