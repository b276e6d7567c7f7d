"""Log-sum-exp over the elements, with a learned temperature."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout
from gnn_readout.readouts.coefficients import Coefficient


class LogSumExp(Readout):
  """y_d = (1 / t) log((1 / n) sum_i exp(t x_id)), 0 for the empty set.

  The mean as t -> 0, the maximum as t grows, the minimum as it falls. Without
  the division by n (`normalise=False`) it is larger by log(n) / t.

  Differs from the paper: there t is fixed; a t learned through 0 keeps a
  distance of 1e-3 from it.

  Reference: Pinheiro and Collobert 2015, "From Image-level to Pixel-level
  Labeling with Convolutional Networks".

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [1.0, 8.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: LogSumExp(t=2.0)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).tolist()
    [[1.0, 8.0], [0.0, 0.0], [5.0, 5.0]]
  """

  family = "learned means"
  reduces_to = "mean (t → 0), max (t → ∞), min (t → -∞)"

  def __init__(
    self,
    t: float = 1.0,
    learn: bool = True,
    per_channel: bool = False,
    normalise: bool = True,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      t: Inverse temperature, at initialisation if it is learned; not 0.
      learn: Whether t is a parameter.
      per_channel: Whether each feature has its own t.
      normalise: Whether to take the mean of the exponentials, not their sum.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `t` is 0 or not finite, or is `per_channel` but not
        learned.
    """
    super().__init__(output_size, name)
    self._t = Coefficient("t", t, learn, per_channel, divides=True)
    self._normalise = normalise

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    t = self._t(elements)
    values = segments.log_mean_exp(t * elements, sets)  # [S, D]
    if not self._normalise:
      count = jnp.maximum(sets.sizes, 1).astype(values.dtype)
      values += jnp.log(count)[:, None]
    return values / t
