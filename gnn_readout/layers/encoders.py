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


def embedding_table(
  name: str, sizes: Sequence[int], num_features: int, width: int, dtype
) -> Array:
  """Returns a parameter [F', D]: one row per value of each feature.

  Args:
    name: The parameter's name.
    sizes: Vocabulary size of each categorical feature, whose rows are drawn
      from U(-a, a), a = sqrt(6 / (size + D)): Xavier-uniform, table by table.
      Empty for real-valued features, drawn with standard deviation
      1 / sqrt(F').
    num_features: F', the sum of the sizes if there are any.
    width: D.
    dtype: Of the parameter.
  """

  def initialise(shape, dtype):
    key = hk.next_rng_key()
    if not sizes:
      scale = max(num_features, 1) ** -0.5
      return scale * jax.random.normal(key, shape, dtype)
    bounds = [(6 / (size + width)) ** 0.5 for size in sizes]
    bound = jnp.repeat(
      jnp.asarray(bounds, dtype),
      jnp.asarray(sizes),
      total_repeat_length=num_features,
    )
    uniform = jax.random.uniform(key, shape, dtype, -1.0, 1.0)
    return bound[:, None] * uniform

  return hk.get_parameter(name, (num_features, width), dtype, initialise)


class FeatureEncoder(hk.Module):
  """Sum of one embedding per categorical feature, or a linear map.

  y = sum_f table_f[x_f], as OGB's atom encoder: the tables lie in one array,
  and the sum is a product with the multi-hot features, so that the gradient
  needs no scatter. Real-valued features (no sizes): y = x W + b.
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
    """Returns [N, D] from features [N, F], integers or real numbers."""
    if not self._sizes:
      features = features.astype(jnp.result_type(float))
      return hk.Linear(self._width, name="linear")(features)
    features = multi_hot(features, self._sizes)  # [N, F']
    table = embedding_table(
      "table", self._sizes, sum(self._sizes), self._width, features.dtype
    )
    return jnp.matmul(features, table, precision=jax.lax.Precision.HIGHEST)
