"""Sum over the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Sum(Readout):
  """y = sum_i x_i.

  Reference: Zaheer et al. 2017, "Deep Sets", Theorem 2.
  """

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.sum(elements, sets)
