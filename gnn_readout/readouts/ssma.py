"""Sequential signal mixing aggregation."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.set_attention import check_counts, check_heads
from gnn_readout.readouts.base import Readout

# Added to a magnitude before its logarithm is taken.
_EPSILON = 1e-6


class SSMA(Readout):
  """y = W F^-1(prod_k F(z - s_k(w))) + b, the product scaled to its k-th root.

  s_k(w) = sum_d s_kd w^d has the features of a slot as its coefficients: the
  product of the polynomials z - s_k(w) in two variables determines the multiset
  of the s_k, and mixes their features in all its coefficients. F is the
  two-dimensional Fourier transform of (K + 1) x (K (D - 1) + 1) numbers, under
  which it is a product of numbers; instead of their magnitudes' product its
  K-th root is taken, so that it neither grows nor shrinks with K.

  The slots are K means of the elements, s_k = sum_i a_ik x_i, with
  a_k = softmax_i(leaky_relu(u_k . x_i + c_k) / T); without attention they are
  the elements themselves, n in number, and sets of more than K wrap around. The
  empty set gives 0.

  Memory is O(S K^2 D) with attention and O(N K^2 D) without.

  Differs from the paper: there the attention also sees the node to which the
  elements are sent, which a set does not have. The affine map to polynomials
  stays fixed, as by default there.

  Reference: Taraday et al. 2024, "Sequential Signal Mixing Aggregation for
  Message Passing Graph Neural Networks".

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: SSMA()(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "networks"
  reduces_to = "an affine map of attention (K = 1)"

  def __init__(
    self,
    num_slots: int = 2,
    has_attention: bool = True,
    num_heads: int = 1,
    temperature: float = 1.0,
    compression: float = 1.0,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_slots: K.
      has_attention: Whether the slots are means by attention.
      num_heads: Groups of features, each mixed by itself, with the same W; must
        divide D.
      temperature: T.
      compression: Below 1, W is a product of two matrices that together have
        this share of its numbers.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive, or `compression` above 1.
    """
    super().__init__(output_size, name)
    check_counts(num_slots=num_slots, num_heads=num_heads)
    if not temperature > 0:
      raise ValueError(f"temperature must be positive, got {temperature}.")
    if not 0 < compression <= 1:
      raise ValueError(f"compression must be in (0, 1], got {compression}.")
    self._num_slots = num_slots
    self._has_attention = has_attention
    self._num_heads = num_heads
    self._temperature = temperature
    self._compression = compression

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D]."""
    heads, slots = self._num_heads, self._num_slots
    check_heads(heads, elements.shape[1])
    width = elements.shape[1] // heads  # D/H
    shape = slots + 1, slots * (width - 1) + 1
    if self._has_attention:
      features = _slots(elements, sets, heads, slots, self._temperature)
      logs, phases = _polar(_transform(features, shape))
      log = jnp.mean(logs, axis=2)  # [S, H, A, B]
      phase = functools.reduce(jnp.multiply, jnp.moveaxis(phases, 2, 0))
    else:
      features = elements.reshape(-1, heads, width)
      logs, phases = _polar(_transform(features, shape))
      log, phase = segments.mean(logs, sets), segments.prod(phases, sets)
    mixed = jnp.fft.irfft2(jnp.exp(log) * phase, shape)  # [S, H, A, B]
    mixed = mixed.reshape(*mixed.shape[:2], -1)  # [S, H, A B]
    inner, outer = mixed.shape[-1], width
    if self._compression < 1:
      rank = self._compression * inner * outer / (inner + outer)
      mixed = Linear(math.ceil(rank), name="compress")(mixed)
    values = Linear(outer, name="mix")(mixed)  # [S, H, D/H]
    values = values.reshape(sets.num_segments, -1)  # [S, D]
    return jnp.where(sets.sizes[:, None] > 0, values, 0)


def _slots(
  elements: Array, sets: Sets, num_heads: int, count: int, temperature: float
) -> Array:
  """Returns means of the elements by attention, [S, H, K, D/H]."""
  logits = Linear(num_heads * count, name="attend")(elements)  # [N, H K]
  logits = jax.nn.leaky_relu(logits) / temperature
  weights = segments.softmax(logits, sets).reshape(-1, num_heads, count, 1)
  weighted = weights * elements.reshape(len(elements), num_heads, 1, -1)
  total = segments.sum(weighted.reshape(len(elements), -1), sets)
  return total.reshape(sets.num_segments, num_heads, count, -1)


def _transform(features: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
  """Returns the real and imaginary parts of F(z - s(w)), [..., A, B/2 + 1].

  The first power of z has coefficient 1, which is a wave along the first axis,
  and s(w) does not depend on z: one transform of its coefficients is enough.

  Args:
    features: The coefficients of s, [..., D].
    shape: A and B. The other half of B follows, as the numbers are real.
  """
  spectrum = jnp.fft.rfft(features, shape[1])[..., None, :]  # [..., 1, B/2 + 1]
  angle = 2 * jnp.pi * jnp.arange(shape[0], dtype=features.dtype) / shape[0]
  return (
    jnp.cos(angle)[:, None] - spectrum.real,
    -jnp.sin(angle)[:, None] - spectrum.imag,
  )


def _polar(parts: tuple[Array, Array]) -> tuple[Array, Array]:
  """Returns log(|c| + eps) and c/|c|, which is 1 at 0, of complex numbers.

  Derivatives at 0 are 0, and no square overflows.
  """
  real, imaginary = parts
  size = jnp.maximum(jnp.abs(real), jnp.abs(imaginary))
  size = jax.lax.stop_gradient(size)
  is_zero = size == 0
  size = jnp.where(is_zero, 1, size)
  real, imaginary = jnp.where(is_zero, 1, real / size), imaginary / size
  norm = jnp.sqrt(jnp.square(real) + jnp.square(imaginary))
  magnitude = jnp.where(is_zero, 0, size * norm)
  phase = jax.lax.complex(real / norm, imaginary / norm)
  return jnp.log(magnitude + _EPSILON), phase
