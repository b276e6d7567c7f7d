"""The contract of a message-passing layer.

`layer(h [N, D], edges, mask [N], is_training) -> (h' [N, D], aux loss [N] or
None)`. The result does not depend on padding, on the order of the edges, or on
the other graphs of the batch.
"""

from __future__ import annotations

import haiku as hk
from jax import Array

from gnn_readout import signatures
from gnn_readout.message_passing.messages import Edges


class Layer(hk.Module):
  """Base of the layers that `MessagePassing` stacks.

  A subclass implements `__call__` and `multiply_adds`. Arguments that it adds
  to `__init__` are fields of a config: `model.message_passing.ARGUMENT`.
  """

  def __init__(self, width: int, edge_sizes, name: str | None = None):
    """Creates the layer.

    Args:
      width: D.
      edge_sizes: Vocabulary sizes of the edge features.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._width = width
    self._edge_sizes = edge_sizes

  @classmethod
  def arguments(cls) -> dict[str, signatures.Argument]:
    """Returns the layer's own arguments, by name."""
    besides = ("self", "width", "edge_sizes", "name")
    return signatures.arguments(cls.__init__, besides)

  @staticmethod
  def multiply_adds(width: int) -> int:
    """Returns those of its maps from D to D, for one node in a forward pass.

    A multiple of D^2: what grows with D alone is left out.

    Args:
      width: D.
    """
    raise NotImplementedError

  def __call__(
    self, h: Array, edges: Edges, mask: Array, is_training: bool
  ) -> tuple[Array, Array | None]:
    """Returns node states and auxiliary losses, if there are any.

    Args:
      h: [N, D].
      edges: The edges.
      mask: [N] bool, false for padding.
      is_training: Whether this is a training step.

    Returns:
      [N, D] and [N] or None.
    """
    raise NotImplementedError
