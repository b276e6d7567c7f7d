"""Linear layers with PyTorch's initialisation, and dropout."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array


class Linear(hk.Linear):
  """y = x W + b with W and b drawn from U(-1/sqrt(D_in), 1/sqrt(D_in)).

  Differs from hk.Linear in the initialisation alone: OGB's models are trained
  with PyTorch's.
  """

  def __call__(self, inputs: Array, *args, **kwargs) -> Array:
    """Returns [N, D_out] from [N, D_in]."""
    bound = inputs.shape[-1] ** -0.5
    self.w_init = hk.initializers.RandomUniform(-bound, bound)
    self.b_init = hk.initializers.RandomUniform(-bound, bound)
    return super().__call__(inputs, *args, **kwargs)


def _hash(counter: Array, seed: Array) -> Array:
  """Mixes [N] uint32 counters with a seed; lowbias32 of C. Wellons."""
  x = counter ^ seed
  x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
  x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
  return x ^ (x >> 16)


def dropout(x: Array, rate: float, is_training: bool) -> Array:
  """Zeroes each entry with probability `rate` and scales up the others.

  The random numbers are an integer hash of the entry's position under two
  words of a JAX key. Drawing them from the key itself costs 15 times as much
  on a CPU, more than the linear layer before it; a hash also fuses into the
  multiplication, forward and backward, and is never stored.

  Args:
    x: [N, D].
    rate: Probability of a zero, in [0, 1).
    is_training: If false, returns x.

  Returns:
    [N, D].
  """
  if not is_training or rate == 0:
    return x
  seed = jax.random.bits(hk.next_rng_key(), (2,), jnp.uint32)
  counter = jax.lax.iota(jnp.uint32, x.size).reshape(x.shape)
  bits = _hash(_hash(counter, seed[0]), seed[1])
  keep = bits >= jnp.uint32(round(rate * 2**32))
  return jnp.where(keep, x / (1 - rate), 0)
