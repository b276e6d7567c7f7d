"""Mean, standard deviation and higher standardised moments."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Moment(Readout):
  """y = [mu, sigma, E[z^3], ..., E[z^K]], z = (x - mu) / sigma.

  mu is the mean and sigma = sqrt(var + eps) over the elements of the set; the
  third and fourth are skewness and kurtosis (3 for a normal distribution). Of
  one element or none only mu is not 0. Spreads below sqrt(eps) count as none:
  the higher moments fall to 0 there, and so all gradients are finite. K = 2 is
  mean and `std` side by side.

  Differs from the paper: that takes the k-th root of the central moment, which
  has no finite gradient where the elements are equal, instead of dividing by
  sigma^k.

  Reference: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph
  Nets", appendix on normalised moments.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: Moment(order=3)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 12)
  """

  family = "moments"
  reduces_to = "mean and std (K = 2)"
  carries_faults = True

  def __init__(
    self,
    order: int = 4,
    epsilon: float = 1e-5,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      order: K, the number of moments.
      epsilon: eps, added to the variance.
      output_size: D_out, or None for K D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `order` or `epsilon` is not positive.
    """
    super().__init__(output_size, name)
    if order < 1:
      raise ValueError(f"order must be positive, got {order}.")
    if not epsilon > 0:
      raise ValueError(f"epsilon must be positive, got {epsilon}.")
    self._order = order
    self._epsilon = epsilon

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, K D]."""
    mean = segments.mean(elements, sets)  # [S, D]
    scale = segments.scale_of_squares(self._epsilon, elements.dtype)
    distance = scale * (elements - segments.broadcast(mean, sets))  # [N, D]
    variance = segments.mean(jnp.square(distance), sets)
    root = jnp.sqrt(variance + scale**2 * self._epsilon)  # [S, D]
    several = sets.sizes[:, None] > 1
    moments = [mean, jnp.where(several, root / scale, 0)]
    if self._order > 2:
      # Scaled before the powers are taken: large elements do not overflow. The
      # constant, which cancels, keeps the powers of the root that derivatives
      # have close to 1.
      constant = jax.lax.stop_gradient(root)
      distance = distance * segments.broadcast(1 / constant, sets)
      z = distance * segments.broadcast(1 / (root / constant), sets)
      powers = [z**k for k in range(3, self._order + 1)]
      moments.append(segments.mean(jnp.concatenate(powers, axis=1), sets))
    width = self._order * elements.shape[1]
    return jnp.concatenate(moments, axis=1)[:, :width]  # [S, K D]
