"""From raw node and edge features to vectors."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

# With more rows than this a table is looked up instead of multiplied with. On
# accelerators, the gradient of a lookup is a scatter into few rows: slow.
_MAX_PRODUCT_ROWS = {"cpu": 256}
_MAX_PRODUCT_ROWS_ELSEWHERE = 4096


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


def raw_features(features: Array, sizes: Sequence[int]) -> Array:
  """Returns [N, F'] real numbers: multi-hot if categorical, else as they are.

  Args:
    features: [N, F], integers if there are sizes.
    sizes: Vocabulary size of each feature; empty for real-valued features.
  """
  if sizes:
    return multi_hot(features, sizes)
  return features.astype(jnp.result_type(float))


def project(features: Array, sizes: Sequence[int], table: Array) -> Array:
  """Returns raw_features(features, sizes) . table, [N, D].

  Of categorical features that is a sum of rows of the table.

  Args:
    features: [N, F], integers if there are sizes.
    sizes: Vocabulary size of each feature; empty for real-valued features.
    table: [F', D].
  """
  most = _MAX_PRODUCT_ROWS.get(
    jax.default_backend(), _MAX_PRODUCT_ROWS_ELSEWHERE
  )
  if not sizes or sum(sizes) <= most:
    return jnp.matmul(
      raw_features(features, sizes).astype(table.dtype),
      table,
      precision=jax.lax.Precision.HIGHEST,
    )
  total, first = 0, 0
  for f, size in enumerate(sizes):
    rows = first + features[:, f].astype(jnp.int32)
    total = total + table.at[rows].get(mode="promise_in_bounds")
    first += size
  return total


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

  Where there are no features there is nothing to learn, and no parameter.
  """
  if not num_features:
    return jnp.zeros((0, width), dtype)

  def initialise(shape, dtype):
    key = hk.next_rng_key()
    if not sizes:
      scale = num_features**-0.5
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
  and the sum, unless they are long, is a product with the multi-hot features,
  so that the gradient needs no scatter. Real-valued features (no sizes):
  y = x W + b.
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
    dtype = jnp.result_type(float)
    table = embedding_table(
      "table", self._sizes, sum(self._sizes), self._width, dtype
    )
    return project(features, self._sizes, table)
