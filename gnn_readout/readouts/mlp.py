"""A network on all elements of a set side by side; depends on their order."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import Linear, check_widths
from gnn_readout.readouts.base import Readout


class MLP(Readout):
  """y = f([x_1, ..., x_m]), f a network with rectified layers.

  It depends on the order of the elements. Sets of fewer than m elements are
  filled up with zeros; of larger ones the rest is left out. The empty set gives
  f(0).

  As PyTorch Geometric's MLPAggregation without batch normalisation.

  Reference: Buterez et al. 2022, "Graph Neural Networks with Adaptive
  Readouts", MLP.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: MLP(max_size=3)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "sequences"

  def __init__(
    self,
    max_size: int = 30,
    widths: Sequence[int] | None = None,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      max_size: m; the size of the largest training set if it is measured.
      widths: Widths of the layers before the last; D by default.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive.
    """
    super().__init__(output_size, name)
    if max_size < 1:
      raise ValueError(f"max_size must be positive, got {max_size}.")
    check_widths(widths=widths)
    self._max_size = max_size
    self._widths = widths

  @classmethod
  def arguments_from_data(cls, sizes: np.ndarray) -> dict[str, float]:
    """Returns m, with which no training set is cut."""
    return {"max_size": max(int(np.max(sizes, initial=1)), 1)}

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    width = elements.shape[1]
    places = jnp.arange(self._max_size, dtype=jnp.int32)  # [m]
    starts = jnp.cumsum(sets.sizes, dtype=jnp.int32) - sets.sizes
    rows = elements.at[starts[:, None] + places].get(mode="clip")  # [S, m, D]
    is_there = places < sets.sizes[:, None]  # [S, m]
    h = jnp.where(is_there[..., None], rows, 0)
    h = h.reshape(sets.num_segments, -1)  # [S, m D]
    for k, size in enumerate([width] if self._widths is None else self._widths):
      h = jax.nn.relu(Linear(size, name=f"layer_{k}")(h))
    return Linear(self._output_size or width, name="project")(h)
