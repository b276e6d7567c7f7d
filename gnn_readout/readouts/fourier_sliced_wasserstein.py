"""Pooling by the Fourier sliced-Wasserstein embedding."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout

# What is said of the number of elements.
SIZES = {
  "none": None,
  "identity": lambda n: n,
  "sqrt": lambda n: 2 * n / (jnp.sqrt(n + 1) + 1),
  "log": jnp.log1p,
}


def _unit_vectors(shape: Sequence[int], dtype: DTypeLike) -> Array:
  """Returns [M, D] random directions."""
  vectors = hk.initializers.RandomNormal()(shape, dtype)
  return vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)


def _random_frequencies(shape: Sequence[int], dtype: DTypeLike) -> Array:
  """Returns [M], ascending, of density 1 / (1 + f)^2."""
  levels = jnp.sort(hk.initializers.RandomUniform(0, 1)(shape, dtype))
  return levels / (1 - levels)


def _even_frequencies(shape: Sequence[int], dtype: DTypeLike) -> Array:
  """Returns the quantiles of that density at M levels of equal distance."""
  levels = (jnp.arange(shape[0], dtype=dtype) + 0.5) / shape[0]
  return levels / (1 - levels)


FREQUENCIES = {"random": _random_frequencies, "even": _even_frequencies}


class FourierSlicedWasserstein(Readout):
  """y = [n, E_1, ..., E_M], E_m = 2(1 + f_m) int_0^1 Q_m(t) cos(2 pi f_m t) dt.

  Q_m is the quantile function of the projections v_m . x_i, a step function of
  n equal steps, and f_m a frequency: E_m is a sum over the sorted projections
  with weights known in closed form. With M = 2 n D + 1 and almost all v and f
  no two sets of up to n elements have the same y, and the distance of two y is
  within constant factors of the Wasserstein distance of the sets. With f_m = 0
  E_m is twice the mean; a set with every element twice differs from it in n
  alone. The empty set gives 0.

  The directions v_m, of length 1 at the start, and the frequencies are learned.

  Differs from the authors' program in that there is no bias, and that what it
  leaves fixed unless told otherwise is learned unless told otherwise.

  Reference: Amir and Dym 2025, "Fourier Sliced-Wasserstein Embedding for
  Multisets and Measures", section 3; eq. 18 for n.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda: FourierSlicedWasserstein(7)(x, sets).values)
    >>> f.apply(f.init(jax.random.key(0)), None).shape
    (2, 8)
  """

  family = "order statistics"
  reduces_to = "size and mean (frequencies 0)"

  def __init__(
    self,
    num_slices: int | None = None,
    size_encoding: str = "identity",
    frequencies: str = "random",
    is_learned: bool = True,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_slices: M, or None for D.
      size_encoding: What of n comes first: "identity", "sqrt" for
        2 (sqrt(n + 1) - 1), "log" for log(n + 1), or "none", with which y is
        of the distribution of the elements alone.
      frequencies: Frequencies at the start, "random" or "even", of density 1 /
        (1 + f)^2.
      is_learned: Whether directions and frequencies move in training.
      output_size: D_out, or None for M, and one more for the size.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_slices` is not positive or a name unknown.
    """
    super().__init__(output_size, name)
    if num_slices is not None and num_slices < 1:
      raise ValueError(f"num_slices must be positive, got {num_slices}.")
    for argument, value, known in (
      ("size_encoding", size_encoding, SIZES),
      ("frequencies", frequencies, FREQUENCIES),
    ):
      if value not in known:
        raise ValueError(
          f"{argument} must be one of {', '.join(known)}, got {value!r}."
        )
    self._num_slices = num_slices
    self._size_encoding = SIZES[size_encoding]
    self._frequencies = FREQUENCIES[frequencies]
    self._is_learned = is_learned

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, M] or [S, 1 + M]."""
    width, dtype = elements.shape[1], elements.dtype
    slices = self._num_slices or width  # M
    directions = hk.get_parameter(
      "directions", (slices, width), dtype, _unit_vectors
    )
    frequencies = hk.get_parameter(
      "frequencies", (slices,), dtype, self._frequencies
    )
    if not self._is_learned:
      directions, frequencies = jax.lax.stop_gradient((directions, frequencies))
    ordered, _ = segments.sort(elements @ directions.T, sets)  # [N, M]
    weights = _weights(frequencies, sets)  # [N, M]
    values = segments.sum(weights * ordered, sets)  # [S, M]
    if self._size_encoding is None:
      return values
    size = self._size_encoding(sets.sizes.astype(dtype))[:, None]  # [S, 1]
    return jnp.concatenate([size, values], axis=1)


def _weights(frequencies: Array, sets: Sets) -> Array:
  """Returns [N, M], 2 (1 + f) times the integral of the cosine over a step.

  The i-th of n steps is [(i - 1)/n, i/n], and the difference of two sines is a
  product, which loses no digits where the step is short.
  """
  dtype = frequencies.dtype
  count = segments.broadcast(jnp.maximum(sets.sizes, 1), sets)
  count = jnp.maximum(count, 1).astype(dtype)[:, None]  # [N, 1]
  middle = (segments.places(sets).astype(dtype)[:, None] + 0.5) / count
  wave = jnp.cos(2 * jnp.pi * frequencies * middle)  # [N, M]
  return 2 * (1 + frequencies) / count * jnp.sinc(frequencies / count) * wave
