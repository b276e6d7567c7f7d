"""Some random graphs, in plain lists and in the objects of each library."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Graph(NamedTuple):
  """One graph whose edges are listed once.

  Attributes:
    edges: [e, 2].
    values: [n, 2] real numbers of the nodes.
    categories: [n, 1] categories of the nodes.
    edge_values: [e, 3].
    label: A number.
  """

  edges: np.ndarray
  values: np.ndarray
  categories: np.ndarray
  edge_values: np.ndarray
  label: float


def draw(num_graphs: int = 11, seed: int = 0) -> list[Graph]:
  """Draws random trees of 2 to 7 nodes; graph 3 has one node, and no edge."""
  rng = np.random.default_rng(seed)
  graphs = []
  for g in range(num_graphs):
    n = 1 if g == 3 else int(rng.integers(2, 8))
    edges = [(int(rng.integers(0, v)), v) for v in range(1, n)]
    graphs.append(
      Graph(
        np.array(edges, np.int64).reshape(-1, 2),
        rng.normal(size=(n, 2)).astype(np.float32),
        rng.integers(0, 5, (n, 1)),
        rng.normal(size=(len(edges), 3)).astype(np.float32),
        float(np.float32(rng.normal())),
      )
    )
  return graphs


def arrays(graphs: list[Graph]) -> dict[str, Any]:
  """Returns the arguments of `from_arrays`."""
  edges = np.concatenate([g.edges for g in graphs])
  return {
    "num_nodes": [len(g.values) for g in graphs],
    "num_edges": [len(g.edges) for g in graphs],
    "senders": edges[:, 0],
    "receivers": edges[:, 1],
    "labels": [g.label for g in graphs],
    "node_values": np.concatenate([g.values for g in graphs]),
    "node_categories": np.concatenate([g.categories for g in graphs]),
    "edge_values": np.concatenate([g.edge_values for g in graphs]),
  }
