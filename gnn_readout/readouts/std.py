"""Featurewise standard deviation of the elements."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Std(Readout):
  """y = sqrt(var + eps), and 0 for fewer than two elements.

  var = (1 / n) sum_i (x_i - mu)^2 about the mean mu. Where it is much larger
  than eps, y is the standard deviation; where all elements are equal it is
  sqrt(eps), with gradient 0.

  Differs from the paper: it prints sqrt(relu(E[x^2] - mu^2) + eps), the same
  but for rounding and for one element, where that is sqrt(eps). PyTorch
  Geometric's StdAggregation is sqrt(var) and jumps to 0 at var = 1e-5.

  Reference: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph
  Nets", section 2.

  Example:
    >>> import haiku as hk, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: Std(epsilon=1e-9)(x, sets).values)
    >>> pool.apply({}, None).tolist()
    [[1.0, 3.0], [0.0, 0.0], [0.0, 0.0]]
  """

  family = "moments"
  columnwise = True
  carries_faults = True

  def __init__(
    self,
    epsilon: float = 1e-5,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      epsilon: eps, which keeps the gradient finite.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `epsilon` is not positive.
    """
    super().__init__(output_size, name)
    if not epsilon > 0:
      raise ValueError(f"epsilon must be positive, got {epsilon}.")
    self._epsilon = epsilon

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    return segments.std(elements, sets, self._epsilon)
