"""Graphs that come some at a time, made or read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gnn_readout.data.store import GraphStore

SIZE = 2_048  # Graphs of a window.


class Window(NamedTuple):
  """Some graphs of many.

  Attributes:
    store: It holds the graphs.
    graphs: [G] their numbers in it.
    places: [G] where each of them stands among all.
  """

  store: GraphStore
  graphs: np.ndarray
  places: np.ndarray


def of_store(store: GraphStore) -> Iterator[Window]:
  """Yields all graphs of a store, in order."""
  for start in range(0, store.num_graphs, SIZE):
    index = np.arange(start, min(start + SIZE, store.num_graphs))
    yield Window(store, index, index)
