"""A node joined to all nodes of its graph."""

from __future__ import annotations

import haiku as hk
import jax
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import Linear, dropout
from gnn_readout.layers.norm import BatchNorm


class VirtualNodeUpdate(hk.Module):
  """v <- dropout(MLP(sum_{u in graph} h_u + v)).

  MLP = Linear D -> 2D, BatchNorm, ReLU, Linear 2D -> D, BatchNorm, ReLU.

  Reference: Gilmer et al. 2017, section 5.2; Hu et al. 2020.
  """

  def __init__(self, width: int, dropout_rate: float, name=None):
    """Creates the update.

    Args:
      width: D.
      dropout_rate: Probability of a zero.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._width = width
    self._dropout_rate = dropout_rate

  def __call__(
    self, v: Array, h: Array, sets: Sets, graph_mask: Array, is_training: bool
  ) -> Array:
    """Returns the new virtual nodes.

    Args:
      v: [G, D], the virtual node of each graph.
      h: [N, D], the states of all nodes.
      sets: The nodes of each graph.
      graph_mask: [G] bool, false for padding graphs.
      is_training: Whether this is a training step.

    Returns:
      [G, D].
    """
    x = segments.sum(h, sets) + v  # [G, D]
    x = Linear(2 * self._width, name="linear_1")(x)  # [G, 2D]
    x = jax.nn.relu(BatchNorm(name="norm_1")(x, graph_mask, is_training))
    x = Linear(self._width, name="linear_2")(x)  # [G, D]
    x = jax.nn.relu(BatchNorm(name="norm_2")(x, graph_mask, is_training))
    return dropout(x, self._dropout_rate, is_training)
