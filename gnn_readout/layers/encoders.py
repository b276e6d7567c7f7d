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
  """Returns [N, F'] real numbers: categories multi-hot, numbers as they are.

  Args:
    features: [N, F]. The first columns are categories, one for each size; the
      others are real numbers.
    sizes: Vocabulary size of each categorical feature; empty if there is none.
  """
  if not sizes:
    return features.astype(jnp.result_type(float))
  hot = multi_hot(features[:, : len(sizes)], sizes)
  if features.shape[1] == len(sizes):
    return hot
  numbers = features[:, len(sizes) :].astype(hot.dtype)
  return jnp.concatenate([hot, numbers], axis=1)


def num_raw_features(num_features: int, sizes: Sequence[int]) -> int:
  """Returns F', the columns of `raw_features` of F columns."""
  return sum(sizes) + num_features - len(sizes)


def project(features: Array, sizes: Sequence[int], table: Array) -> Array:
  """Returns raw_features(features, sizes) . table, [N, D].

  Of categorical features that is a sum of rows of the table.

  Args:
    features: [N, F], categories before numbers as in `raw_features`.
    sizes: Vocabulary size of each categorical feature; empty if there is none.
    table: [F', D].
  """
  most = _MAX_PRODUCT_ROWS.get(
    jax.default_backend(), _MAX_PRODUCT_ROWS_ELSEWHERE
  )
  if not sizes or sum(sizes) <= most:
    return _product(raw_features(features, sizes), table)
  total, first = 0, 0
  for f, size in enumerate(sizes):
    rows = first + features[:, f].astype(jnp.int32)
    total = total + table.at[rows].get(mode="promise_in_bounds")
    first += size
  if features.shape[1] > len(sizes):
    total = total + _product(features[:, len(sizes) :], table[first:])
  return total


def _product(numbers: Array, table: Array) -> Array:
  return jnp.matmul(
    numbers.astype(table.dtype), table, precision=jax.lax.Precision.HIGHEST
  )


def embedding_table(
  name: str, sizes: Sequence[int], num_features: int, width: int, dtype
) -> Array:
  """Returns a parameter [F', D]: a row per category, then one per number.

  Where there are no features there is nothing to learn, and no parameter.

  Args:
    name: The parameter's name.
    sizes: Vocabulary size of each categorical feature, whose rows are drawn
      from U(-a, a), a = sqrt(6 / (size + D)): Xavier-uniform, table by table.
    num_features: F'. What it is more than the sum of the sizes are real-valued
      features, F_r in number, whose rows are drawn with standard deviation
      1 / sqrt(F_r).
    width: D.
    dtype: Type of the parameter.
  """
  if not num_features:
    return jnp.zeros((0, width), dtype)
  num_rows = sum(sizes)
  num_values = num_features - num_rows  # F_r

  def initialise(shape, dtype):
    key = hk.next_rng_key()
    if not sizes:
      return _linear_rows(key, num_values, width, dtype)
    bounds = [(6 / (size + width)) ** 0.5 for size in sizes]
    bound = jnp.repeat(
      jnp.asarray(bounds, dtype),
      jnp.asarray(sizes),
      total_repeat_length=num_rows,
    )
    uniform = jax.random.uniform(key, (num_rows, width), dtype, -1.0, 1.0)
    table = bound[:, None] * uniform
    if not num_values:
      return table
    values = _linear_rows(hk.next_rng_key(), num_values, width, dtype)
    return jnp.concatenate([table, values])

  return hk.get_parameter(name, (num_features, width), dtype, initialise)


def _linear_rows(key: Array, num_values: int, width: int, dtype) -> Array:
  return num_values**-0.5 * jax.random.normal(key, (num_values, width), dtype)


class FeatureEncoder(hk.Module):
  """Sum of one embedding per categorical feature, and a linear map of numbers.

  y = sum_f table_f[x_f] + x_r W + b for categories x_f and real numbers x_r;
  where there are none of a kind, its part and its parameters are left out. The
  embeddings are OGB's atom encoder: the tables lie in one array, and the sum,
  unless they are long, is a product with the multi-hot features, so that the
  gradient needs no scatter.
  """

  def __init__(self, width: int, sizes: Sequence[int], name=None):
    """Creates the encoder.

    Args:
      width: D.
      sizes: Vocabulary size of each categorical feature; empty if there is
        none.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._width = width
    self._sizes = tuple(sizes)

  def __call__(self, features: Array) -> Array:
    """Returns [N, D] from features [N, F], categories before numbers."""
    dtype = jnp.result_type(float)
    count, encoded = len(self._sizes), []
    if count:
      table = embedding_table(
        "table", self._sizes, sum(self._sizes), self._width, dtype
      )
      encoded.append(project(features[:, :count], self._sizes, table))
    if features.shape[1] > count or not count:
      numbers = features[:, count:].astype(dtype)
      encoded.append(hk.Linear(self._width, name="linear")(numbers))
    return sum(encoded[1:], encoded[0])
