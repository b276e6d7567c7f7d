"""Featurewise maximum of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Max(Readout):
  """y_d = max_i x_id, and 0 for the empty set.

  Reference: Qi et al. 2017, "PointNet", eq. 1.
  """

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.max(elements, sets)
