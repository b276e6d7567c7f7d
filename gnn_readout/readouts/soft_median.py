"""Mean of the elements, weighted by their closeness to the median."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Aggregate, Readout, without_loss


class SoftMedian(Readout):
  """y = sum_i a_i x_i, a = softmax_i(-|x_i - m| / (T sqrt(D))).

  m is the featurewise median; of an even number of elements it is the lower of
  the two in the middle, as in the authors' program. An element that is far off
  moves y by little, however far it is. A high temperature T makes it the mean,
  a low one the element that is nearest to the median. The empty set gives 0.

  Differs from the paper: there the sum is weighted by the edges and scaled to
  their total weight besides; the elements of a set weigh the same, and their
  weights sum to 1.

  Reference: Geisler et al. 2021, "Robustness of Graph Neural Networks at
  Scale", Soft Median.

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x = jnp.array([[1.0], [2.0], [300.0], [7.0]])
    >>> sets = make_sets(jnp.array([3, 1]), 4)
    >>> f = hk.transform(lambda x: SoftMedian(temperature=0.01)(x, sets).values)
    >>> f.apply({}, None, x).tolist()
    [[2.0], [7.0]]
  """

  family = "order statistics"
  reduces_to = "mean (T → ∞), the element nearest to the median (T → 0)"
  weighs = True

  def __init__(
    self,
    temperature: float = 1.0,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      temperature: T.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `temperature` is not positive.
    """
    super().__init__(output_size, name)
    if not temperature > 0:
      raise ValueError(f"temperature must be positive, got {temperature}.")
    self._temperature = temperature

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D] and the weights a [N, 1]."""
    median = segments.quantile(elements, sets, (0.5,), "lower")[:, 0]  # [S, D]
    offset = elements - segments.broadcast(median, sets)  # [N, D]
    distance = _norm(offset) / elements.shape[1] ** 0.5  # [N, 1]
    logits = -distance / self._temperature
    values = segments.softmax_mean(logits, elements, sets)
    return without_loss(values, segments.softmax(logits, sets))


def _norm(x: Array) -> Array:
  """Returns |x| [N, 1]; its gradient at 0 is 0, and no square overflows."""
  size = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=1, keepdims=True))
  size = jnp.where(size > 0, size, 1)
  squares = jnp.sum(jnp.square(x / size), axis=1, keepdims=True)
  positive = squares > 0
  root = jnp.sqrt(jnp.where(positive, squares, 1))
  return jnp.where(positive, size * root, 0)
