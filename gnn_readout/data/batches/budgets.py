"""Shapes of padded batches, chosen so that little of them is padding.

Letters: S batches whose sizes are known, C candidate cuts among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROUND = 8  # Budgets are multiples of this: vector units like whole lanes.
_CANDIDATES = 512  # Cuts that the dynamic programme chooses from.
_MIN_SAVING = 0.02  # What a further shape must save to be worth compiling.


class Budget(NamedTuple):
  """The shape of a batch, including its padding graph and padding node."""

  num_graphs: int
  num_nodes: int
  num_edges: int


def enclosing(num_graphs: int, num_nodes: int, num_edges: int) -> Budget:
  """Returns the smallest budget that holds so many real graphs and so on."""
  nodes, edges = _padded(np.array([num_nodes, num_edges])).tolist()
  return Budget(num_graphs + 1, nodes, edges)


def rounded(budget: Budget, bits: int) -> Budget:
  """Returns a budget as large or larger, from few possible ones.

  Args:
    budget: Any.
    bits: Nodes and edges have at most so many binary digits before zeros.
  """

  def up(size: int) -> int:
    unit = 1 << max(size.bit_length() - bits, 0)
    return -(-size // unit) * unit

  return Budget(budget.num_graphs, up(budget.num_nodes), up(budget.num_edges))


def choose(
  totals: np.ndarray, batch_size: int, num_buckets: int
) -> tuple[Budget, ...]:
  """Chooses the budgets that waste least over given batches.

  Batches are ordered by size, the larger of their nodes and edges relative to
  the mean. A budget is a cut in that order: it holds every batch before the
  cut. Dynamic programming finds the cuts whose padded sizes add up to least.

  Args:
    totals: [S, 3] real graphs, nodes and edges of each batch.
    batch_size: Most graphs in a batch.
    num_buckets: Most budgets; fewer if one more would save less than 2%.

  Returns:
    The budgets, ascending; the last one holds all the given batches.
  """
  sizes = totals[:, 1:]  # [S, 2]
  means = np.maximum(sizes.mean(0), 1)
  order = np.argsort((sizes / means).max(1), kind="stable")
  largest = np.maximum.accumulate(sizes[order], axis=0)
  counts = np.linspace(1, len(order), min(_CANDIDATES, len(order)))
  counts = np.round(counts).astype(np.int64)  # [C], batches before each cut
  padded = _padded(largest[counts - 1])  # [C, 2]
  cost = (padded / means).sum(1)  # [C], of one batch

  # From row to column: the batches between two cuts, padded to the later one.
  between = (counts[None] - counts[:, None]) * cost[None]  # [C, C]
  between = np.where(between < 0, np.inf, between)
  best, cuts = counts * cost, [[c] for c in range(len(counts))]
  for _ in range(num_buckets - 1):
    through = best[:, None] + between
    previous, better = through.argmin(0), through.min(0)
    if better[-1] > (1 - _MIN_SAVING) * best[-1]:
      break
    best, cuts = better, [[*cuts[p], c] for c, p in enumerate(previous)]
  chosen = np.unique(padded[cuts[-1]], axis=0).tolist()
  return tuple(Budget(batch_size + 1, *sizes) for sizes in chosen)


def smallest(budgets: tuple[Budget, ...], totals: np.ndarray) -> np.ndarray:
  """Finds the first budget that holds each batch.

  Args:
    budgets: Ascending in nodes and in edges.
    totals: [S, 3] real graphs, nodes and edges of each batch.

  Returns:
    [S] indices into `budgets`; `len(budgets)` if none holds the batch.
  """
  _, nodes, edges = np.array(budgets).T
  return np.maximum(
    np.searchsorted(nodes - 1, totals[:, 1]),
    np.searchsorted(edges, totals[:, 2]),
  )


def _padded(sizes: np.ndarray) -> np.ndarray:
  """Adds the padding node and rounds up; sizes [..., 2] of nodes and edges."""
  # At least some edges: reductions over none of them are a special case.
  sizes = np.maximum(sizes + np.array([1, 0]), 1)
  return -(-sizes // _ROUND) * _ROUND
