"""Relation network: a network on all pairs of elements, summed."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.pair_network import check_widths, make_pair_network
from gnn_readout.readouts.base import Readout


class RelationNetwork(Readout):
  """y = f(sum_{i,j} g(x_i, x_j)) over all ordered pairs of a set, i = j too.

  g and f are networks with rectified layers; f ends in a linear one. The empty
  set gives f(0). Where g ignores x_j this is a deep set with weights n.

  The first layer of g is computed per element; the others are applied to
  sum_s n_s^2 pairs, in tiles that are computed again for the gradient, so that
  memory is O(N D).

  Differs from the paper: the question that g is conditioned on is left out, as
  is the dropout within f; the layers, as many as there, are as wide as the
  elements by default where the paper's are 256 to 2000 wide, task by task.

  Reference: Santoro et al. 2017, "A simple neural network module for
  relational reasoning", eq. 1.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: RelationNetwork((8,), (8,))(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 3)
  """

  family = "networks"
  reduces_to = "deep sets weighted by n, if g ignores x_j"

  def __init__(
    self,
    pair_widths: Sequence[int] | None = None,
    sum_widths: Sequence[int] | None = None,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      pair_widths: Widths of the layers of g; four times D by default.
      sum_widths: Widths of the layers of f before its last; twice D by default.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there are no widths, or one is not positive.
    """
    super().__init__(output_size, name)
    check_widths("pair_widths", pair_widths)
    check_widths("sum_widths", sum_widths)
    self._pair_widths = pair_widths
    self._sum_widths = sum_widths

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    width = elements.shape[-1]
    g = make_pair_network(
      elements, self._pair_widths or [width] * 4, jax.nn.relu
    )
    h = segments.sum(g.row_sums(sets, distinct=False), sets)  # [S, W]
    for k, size in enumerate(self._sum_widths or [width] * 2):
      h = jax.nn.relu(Linear(size, name=f"sum_{k}")(h))  # [S, W_k]
    size = self._output_size or width
    return Linear(size, name="project")(h)  # [S, D_out]
