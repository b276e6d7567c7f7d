"""The first elements in the order of their last feature."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


def order_of_rows(elements: Array, sets: Sets) -> Array:
  """Returns [N] int32: the rows of each set, the highest last feature first.

  Ties are broken by the feature before, and so on, until only rows equal in
  every feature are tied. Each feature needed costs one sort of N numbers and
  one pass over the elements.

  Args:
    elements: [N, D], padding all alike.
    sets: Which set each element belongs to.
  """

  def is_unsettled(state):
    feature, group, rows = state
    differ = jnp.any(elements[rows[1:]] != elements[rows[:-1]], axis=-1)
    return (feature >= 0) & jnp.any(differ & (group[1:] == group[:-1]))

  def refine(state):
    feature, group, rows = state
    key = -elements[rows, feature]  # [N]
    group, key, rows = jax.lax.sort((group, key, rows), num_keys=2)
    new = (group[1:] != group[:-1]) | (key[1:] != key[:-1])
    group = jnp.pad(jnp.cumsum(new, dtype=jnp.int32), (1, 0))
    return feature - 1, group, rows

  rows = jnp.arange(elements.shape[0], dtype=jnp.int32)  # [N]
  state = jnp.int32(elements.shape[1] - 1), sets.segment_ids, rows
  return jax.lax.while_loop(is_unsettled, refine, state)[-1]


class SortPool(Readout):
  """y = concat(x_(1), ..., x_(k)), elements sorted by their last feature.

  The highest comes first; ties are broken by the feature before, and so on.
  Sets of fewer than k elements are filled up with zeros. With k = 1 it is the
  element with the highest last feature; with k at least the size of all sets
  nothing is lost but the order.

  Differs from PyTorch Geometric's SortAggregation, which leaves ties in the
  order of the input, and turns an entry one below the least of the batch to 0.

  Reference: Zhang et al. 2018, "An End-to-End Deep Learning Architecture for
  Graph Classification", section "The SortPooling layer".

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.arange(4.0)[:, None], make_sets(jnp.array([1, 3]), 4)
    >>> f = hk.transform(lambda x, s: SortPool(k=2)(x, s).values)
    >>> f.apply({}, None, x, sets).tolist()
    [[0.0, 0.0], [3.0, 2.0]]
  """

  family = "order statistics"
  reduces_to = "the whole set, sorted (k at least n)"

  def __init__(
    self,
    k: int = 30,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      k: How many elements to keep.
      output_size: D_out, or None for k D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `k` is not positive.
    """
    super().__init__(output_size, name)
    if k < 1:
      raise ValueError(f"k must be positive, got {k}.")
    self._k = k

  @classmethod
  def arguments_from_data(cls, sizes: np.ndarray) -> dict[str, float]:
    """Returns k: as in the paper, about 60% of the sets have more elements."""
    return {"k": max(int(np.quantile(sizes, 0.4, method="lower")), 1)}

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, k D]."""
    rows = order_of_rows(jax.lax.stop_gradient(elements), sets)  # [N]
    places = jnp.arange(self._k, dtype=jnp.int32)  # [k]
    ends = jnp.cumsum(sets.sizes, dtype=jnp.int32)
    wanted = (ends - sets.sizes)[:, None] + places  # [S, k]
    kept = places < sets.sizes[:, None]  # [S, k]
    wanted = rows.at[wanted].get(mode="clip")  # [S, k]
    values = jnp.where(kept[..., None], elements[wanted], 0)  # [S, k, D]
    return values.reshape(sets.num_segments, -1)  # [S, k D]
