"""From raw node and edge features to vectors."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array


def multi_hot(features: Array, sizes: Sequence[int]) -> Array:
  """Returns [N, sum(sizes)]: one 1 in each feature's block of columns.

  Args:
    features: [N, F] integers, feature f in [0, sizes[f]).
    sizes: F vocabulary sizes.
  """
  blocks = [
    features[:, f, None] == jnp.arange(size, dtype=features.dtype)
    for f, size in enumerate(sizes)
  ]
  return jnp.concatenate(blocks, axis=1).astype(jnp.result_type(float))


class FeatureEncoder(hk.Module):
  """Sum of one embedding per categorical feature, or a linear map.

  Categorical, as OGB's atom and bond encoders: y = sum_f table_f[x_f], with
  tables drawn Xavier-uniformly. The tables lie in one array, and the sum is a
  product with the multi-hot features: a gradient without scatter.
  Real-valued (no sizes): y = x W + b.
  """

  def __init__(self, width: int, sizes: Sequence[int], name=None):
    """Creates the encoder.

    Args:
      width: D.
      sizes: Vocabulary size of each feature; empty for real-valued features.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._width = width
    self._sizes = tuple(sizes)

  def __call__(self, features: Array) -> Array:
    """Encodes features.

    Args:
      features: [N, F] integers or real numbers, or the [N, sum(sizes)] result
        of `multi_hot`.

    Returns:
      [N, D].
    """
    if not self._sizes:
      features = features.astype(jnp.result_type(float))
      return hk.Linear(self._width, name="linear")(features)
    if jnp.issubdtype(features.dtype, jnp.integer):
      features = multi_hot(features, self._sizes)
    table = hk.get_parameter(
      "table",
      (sum(self._sizes), self._width),
      features.dtype,
      self._initialise,
    )
    # Zeros and ones times a table: exact in any precision the table is in.
    return jnp.matmul(
      features, table, precision=jax.lax.Precision.HIGHEST
    )

  def _initialise(self, shape, dtype) -> Array:
    """Draws each feature's table from U(-a, a), a = sqrt(6 / (size + D))."""
    bound = jnp.concatenate(
      [
        jnp.full((size, 1), (6 / (size + self._width)) ** 0.5, dtype)
        for size in self._sizes
      ]
    )
    return bound * jax.random.uniform(
      hk.next_rng_key(), shape, dtype, -1.0, 1.0
    )
