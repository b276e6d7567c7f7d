"""Batch normalisation that counts real rows only."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import shares

# Numbers in rows that no core's own cache holds, 2 MiB of float32.
_LARGE = 1 << 19


class BatchNorm(hk.Module):
  """x_hat = (x - mean) / sqrt(var + eps) * scale + offset over real rows.

  As PyTorch's BatchNorm1d: eps 1e-5; the biased variance normalises; running
  estimates start at 0 and 1 and move by 0.1 towards the batch's mean and
  unbiased variance; evaluation uses the running estimates.

  Differs from it in taking a mask: padding rows count for nothing. Where a
  batch is in shares on several devices, the statistics are those of all.
  """

  def __init__(self, rate: float = 0.1, epsilon: float = 1e-5, name=None):
    """Creates the layer.

    Args:
      rate: How far the running estimates move at each training step.
      epsilon: Added to the variance.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._rate = rate
    self._epsilon = epsilon

  def __call__(self, x: Array, mask: Array, is_training: bool) -> Array:
    """Normalises each column.

    Args:
      x: [N, D].
      mask: [N] bool, false for padding.
      is_training: Whether to use, and to record, the batch's statistics.

    Returns:
      [N, D].
    """
    width, dtype = x.shape[-1:], x.dtype
    scale = hk.get_parameter("scale", width, dtype, jnp.ones)
    offset = hk.get_parameter("offset", width, dtype, jnp.zeros)
    mean = hk.get_state("mean", width, dtype, jnp.zeros)
    var = hk.get_state("var", width, dtype, jnp.ones)
    if not is_training:
      return (x - mean) * (scale * jax.lax.rsqrt(var + self._epsilon)) + offset
    # Weight 0 is not enough: padding that has grown huge would square to inf.
    x = jnp.where(mask[:, None], x, 0)
    y, batch_mean, batch_var, count = _normalise(
      x, mask.astype(dtype), scale, offset, self._epsilon
    )
    unbiased = batch_var * count / jnp.maximum(count - 1, 1)
    rate = jnp.where(count > 0, self._rate, 0).astype(dtype)
    hk.set_state("mean", (1 - rate) * mean + rate * batch_mean)
    hk.set_state("var", (1 - rate) * var + rate * unbiased)
    return y


@jax.custom_vjp
def _normalise(x, weight, scale, offset, epsilon):
  """Returns the rows [N, D], their mean and variance [D], their number."""
  return _forward(x, weight, scale, offset, epsilon)[0]


def _column_sum(weight, x):
  """Returns sum_n weight_n x_n [D].

  A product is the faster of the two, but what is multiplied is in memory
  first; a reduction computes it on the way. That pays where it would not stay
  in a cache.
  """
  if x.size > _LARGE:
    return jnp.sum(weight[:, None] * x, axis=0)
  return jnp.matmul(weight, x, precision=jax.lax.Precision.HIGHEST)


def _forward(x, weight, scale, offset, epsilon):
  count, sums = shares.total((jnp.sum(weight), _column_sum(weight, x)))
  divisor = jnp.maximum(count, 1)
  mean = sums / divisor  # [D]
  # About the mean, not E[x^2] - E[x]^2, which loses digits.
  squares = shares.total(_column_sum(weight, jnp.square(x - mean)))
  var = squares / divisor  # [D]
  inverse = jax.lax.rsqrt(var + epsilon)  # [D]
  y = (x - mean) * (inverse * scale) + offset
  return (y, mean, var, count), (x, weight, scale, mean, inverse, divisor)


def _backward(residuals, cotangents):
  """Gradient of the rows; the statistics are not differentiated."""
  x, weight, scale, mean, inverse, divisor = residuals
  dy = cotangents[0]
  x_hat = (x - mean) * inverse  # [N, D]
  ones = jnp.ones_like(weight)
  d_offset = _column_sum(ones, dy)  # [D]
  d_scale = _column_sum(ones, dy * x_hat)  # [D]
  # The rows of every share move the statistics; parameters get their own part.
  all_offset, all_scale = shares.total((d_offset, d_scale))
  dx = (scale * inverse) * (
    dy - weight[:, None] * ((all_offset + x_hat * all_scale) / divisor)
  )
  return dx, None, d_scale, d_offset, None


_normalise.defvjp(_forward, _backward)
