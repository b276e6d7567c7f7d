"""Mean of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Mean(Readout):
  """y = (1 / n) sum_i x_i, and 0 for the empty set.

  Reference: OGB's default readout, Hu et al. 2020.
  """

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.mean(elements, sets)
