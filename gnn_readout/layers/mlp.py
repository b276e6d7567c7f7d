"""Linear layers with the initialisations of the references, and dropout."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.errors import suggest

# From D_in and D_out to a and c: weights from U(-a, a), biases from U(-c, c).
INITIALISATIONS = {
  "pytorch": lambda fan_in, fan_out: (fan_in**-0.5, fan_in**-0.5),
  "xavier": lambda fan_in, fan_out: ((6 / (fan_in + fan_out)) ** 0.5, 0.0),
}

# Weights of fan_in and fan_out as `xavier` above, for Haiku's own modules.
XAVIER = hk.initializers.VarianceScaling(1.0, "fan_avg", "uniform")


def initialisers(
  name: str, fan_in: int, fan_out: int
) -> tuple[hk.initializers.Initializer, hk.initializers.Initializer]:
  """Returns the initialisers of the weights and the biases of a linear map.

  Args:
    name: A key of `INITIALISATIONS`.
    fan_in: D_in.
    fan_out: D_out.

  Raises:
    ValueError: if the name is unknown.
  """
  if name not in INITIALISATIONS:
    known = suggest(name, INITIALISATIONS)
    raise ValueError(f"Unknown initialisation {name!r}.{known}")
  a, c = INITIALISATIONS[name](fan_in, fan_out)
  uniform = hk.initializers.RandomUniform
  return uniform(-a, a), uniform(-c, c)


def check_widths(**widths: Sequence[int] | None) -> None:
  """Raises ValueError unless all widths are positive; None holds none."""
  for name, values in widths.items():
    if values is not None and any(width < 1 for width in values):
      raise ValueError(f"{name} must be positive, got {list(values)}.")


class Linear(hk.Linear):
  """y = x W + b with W and b drawn from U(-1/sqrt(D_in), 1/sqrt(D_in)).

  Differs from hk.Linear in the initialisation alone: OGB's models are trained
  with PyTorch's, which is the one above, others with Xavier's.
  """

  def __init__(
    self, output_size: int, initialisation: str = "pytorch", name=None
  ):
    """Creates the layer.

    Args:
      output_size: D_out.
      initialisation: A key of `INITIALISATIONS`.
      name: Haiku's name of the module.
    """
    super().__init__(output_size, name=name)
    self._initialisation = initialisation

  def __call__(self, inputs: Array, *args, **kwargs) -> Array:
    """Returns [N, D_out] from [N, D_in]."""
    self.w_init, self.b_init = initialisers(
      self._initialisation, inputs.shape[-1], self.output_size
    )
    return super().__call__(inputs, *args, **kwargs)


def _hash(counter: Array, seed: Array) -> Array:
  """Mixes [N] uint32 counters with a seed; lowbias32 of C. Wellons."""
  x = counter ^ seed
  x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
  x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
  return x ^ (x >> 16)


def check_rate(field: str, rate: float | Array) -> None:
  """Refuses a rate of dropout that is known and does not lie in [0, 1).

  Args:
    field: What it is called in a config.
    rate: May be traced: then nobody knows.
  """
  if isinstance(rate, (int, float)) and not 0 <= rate < 1:
    raise ValueError(f"{field} must lie in [0, 1), got {rate}.")


def dropout(x: Array, rate: float | Array, is_training: bool) -> Array:
  """Zeroes each entry with probability `rate` and scales up the others.

  The random numbers are an integer hash of the entry's position under two
  words of a JAX key. Drawing them from the key itself costs 15 times as much
  on a CPU, more than the linear layer before it; a hash also fuses into the
  multiplication, forward and backward, and is never stored.

  Args:
    x: [N, D].
    rate: Probability of a zero, in [0, 1); may be traced, so that the members
      of a population can each have their own.
    is_training: If false, returns x.

  Returns:
    [N, D].
  """
  if not is_training:
    return x
  # Taken even where it is not used: what comes after is initialised alike,
  # whatever the rate.
  key = hk.maybe_next_rng_key()
  is_known = isinstance(rate, (int, float))
  if is_known and rate == 0:
    return x
  if key is None:
    raise ValueError(f"dropout with rate {rate} needs a key")
  seed = jax.random.bits(key, (2,), jnp.uint32)
  counter = jax.lax.iota(jnp.uint32, x.size).reshape(x.shape)
  bits = _hash(_hash(counter, seed[0]), seed[1])
  limit = round(rate * 2**32) if is_known else rate * 2.0**32
  keep = bits >= jnp.uint32(limit)
  return jnp.where(keep, x / (1 - rate), 0)
