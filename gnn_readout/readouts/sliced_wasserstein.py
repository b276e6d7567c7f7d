"""Pooling by sliced-Wasserstein embedding."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import XAVIER
from gnn_readout.readouts.base import Readout


def _unit_vectors(shape: Sequence[int], dtype: DTypeLike) -> Array:
  """Returns [L, D]: those of the axes, or random where there are more."""
  if shape[0] <= shape[1]:
    return jnp.eye(shape[0], shape[1], dtype=dtype)
  return hk.initializers.RandomNormal()(shape, dtype)


def _linspace(shape: Sequence[int], dtype: DTypeLike) -> Array:
  """Returns [M, L], every column M numbers from -1 to 1."""
  column = jnp.linspace(-1, 1, shape[0], dtype=dtype)[:, None]
  return jnp.broadcast_to(column, shape)


class SlicedWasserstein(Readout):
  """y_l = sum_m w_lm (Q_l(m / (M + 1)) - r_lm), for L slices.

  Q_l is the quantile function of the projections theta_l . x_i, |theta_l| = 1:
  the i-th of n sorted projections at level i / (n + 1), linear between and
  beyond. r_l1 <= ... <= r_lM are learned reference points, and Q_l - r_l is
  the displacement that takes them to the set. A set of M elements needs no
  interpolation: the distance of two of them, before the weights, is sqrt(L M)
  times their sliced 2-Wasserstein distance. The empty set gives 0.

  Takes O(S L M + N L) memory. Weighted, the reference points add up to a bias.

  Differs from the authors' program in the sign, and in matching the
  references by their rank: it permutes by their argsort where the inverse of
  that is meant, which is the same until two of them have changed places.

  Reference: Naderializadeh et al. 2021, "Pooling by Sliced-Wasserstein
  Embedding".

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: SlicedWasserstein()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 3)
  """

  family = "order statistics"
  reduces_to = "optimal matching to the references"

  def __init__(
    self,
    num_slices: int | None = None,
    num_points: int = 32,
    is_weighted: bool = True,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_slices: L, or None for D.
      num_points: M.
      is_weighted: Whether to sum the M displacements of a slice with learned
        weights, as the paper does, or to return them all.
      output_size: D_out, or None for L, or L M if not weighted.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_slices` or `num_points` is not positive.
    """
    super().__init__(output_size, name)
    if num_slices is not None and num_slices < 1:
      raise ValueError(f"num_slices must be positive, got {num_slices}.")
    if num_points < 1:
      raise ValueError(f"num_points must be positive, got {num_points}.")
    self._num_slices = num_slices
    self._num_points = num_points
    self._is_weighted = is_weighted

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, L] or [S, L M]."""
    width, dtype = elements.shape[-1], elements.dtype
    slices, points = self._num_slices or width, self._num_points
    directions = hk.get_parameter(
      "directions", (slices, width), dtype, _unit_vectors
    )
    reference = hk.get_parameter(
      "reference", (points, slices), dtype, _linspace
    )
    norms = jnp.linalg.norm(directions, axis=1, keepdims=True)  # [L, 1]
    ordered, _ = segments.sort(
      elements @ (directions / norms).T, sets
    )  # [N, L]
    levels = jnp.arange(1, points + 1) / (points + 1)  # [M]
    at = (sets.sizes[:, None] + 1) * levels.astype(dtype) - 1  # [S, M]
    moves = segments.interpolate(ordered, at, sets)  # [S, M, L]
    moves = moves - jnp.sort(reference, axis=0)
    moves = jnp.where((sets.sizes > 0)[:, None, None], moves, 0)
    if not self._is_weighted:
      return moves.swapaxes(1, 2).reshape(sets.num_segments, -1)  # [S, L M]
    weights = hk.get_parameter("weights", (points, slices), dtype, XAVIER)
    return jnp.einsum("sml,ml->sl", moves, weights)  # [S, L]
