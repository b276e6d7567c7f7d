"""Self-attention among patches of consecutive elements.

Depends on the order of the elements.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets, make_sets
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.set_attention import (
  SetAttention,
  check_counts,
  in_turn,
)
from gnn_readout.readouts.base import Readout

_AGGREGATIONS = {
  "mean": segments.mean,
  "sum": segments.sum,
  "max": segments.max,
  "min": segments.min,
}


class PatchTransformer(Readout):
  """y = W mean_j h_j + b, h = SAB(p), p_j = P [x_j1, ..., x_jm] + c + PE(j).

  m consecutive elements, after a linear map, make a patch p_j; the last one of
  a set is filled up with zeros. PE is the transformer's encoding of the place,
  and SAB self-attention among the patches of a set, with LayerNorm: n/m
  squared pairs instead of n squared. It depends on the order of the elements.
  The empty set gives b.

  Differs from PyTorch Geometric's PatchTransformerAggregation, which gives all
  sets the patches of the largest, empty ones that take part in attention and
  mean, and leaves out elements that do not fill one.

  Reference: Li et al. 2023, "Simplifying Temporal Heterogeneous Network for
  Continuous-Time Link Prediction", patching.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: PatchTransformer(2)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "sequences"

  def __init__(
    self,
    patch_size: int = 5,
    width: int | None = None,
    num_blocks: int = 1,
    num_heads: int = 1,
    aggregation: str = "mean",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      patch_size: m.
      width: Width of the patches, an even number; D, or D + 1, by default.
      num_blocks: The number of SAB one after another.
      num_heads: Number of heads of each block, a divisor of `width`.
      aggregation: What becomes of the patches: "mean", "sum", "max" or "min".
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive, `width` odd, or `aggregation`
        unknown.
    """
    super().__init__(output_size, name)
    check_counts(
      patch_size=patch_size, num_blocks=num_blocks, num_heads=num_heads
    )
    if width is not None and (width < 1 or width % 2):
      raise ValueError(f"width must be positive and even, got {width}.")
    if aggregation not in _AGGREGATIONS:
      raise ValueError(
        f"aggregation must be one of {', '.join(_AGGREGATIONS)}, "
        f"got {aggregation!r}."
      )
    self._patch_size = patch_size
    self._width = width
    self._num_blocks = num_blocks
    self._num_heads = num_heads
    self._aggregate = _AGGREGATIONS[aggregation]

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    size = elements.shape[1]
    width = self._width or size + size % 2  # W
    mapped = Linear(width, name="element")(elements)  # [N, W]
    rows, patch_sets = _patches(mapped, sets, self._patch_size)  # [L, m W]
    patches = Linear(width, name="patch")(rows)  # [L, W]
    patches = patches + _encoding(segments.places(patch_sets), patches)
    patches = segments.masked(patches, patch_sets)
    blocks = [
      functools.partial(
        SetAttention(self._num_heads, True, name=f"block_{k}"), sets=patch_sets
      )
      for k in range(self._num_blocks)
    ]
    patches, faulty = in_turn(blocks, patches, patch_sets)
    pooled = self._aggregate(patches, patch_sets)  # [S, W]
    values = Linear(self._output_size or size, name="project")(pooled)
    return jnp.where(faulty[:, None], jnp.nan, values)


def _patches(elements: Array, sets: Sets, size: int) -> tuple[Array, Sets]:
  """Returns the elements of each patch side by side, and the sets of patches.

  Args:
    elements: [N, W].
    sets: Which set each element belongs to.
    size: m.

  Returns:
    [L, m W], the missing elements of a patch 0, with L the most patches that N
    elements in S sets can make.
  """
  counts = -(-sets.sizes // size)  # [S]
  most = (len(elements) + sets.num_segments * (size - 1)) // size
  patch_sets = make_sets(counts, min(most, len(elements)))
  starts = jnp.cumsum(sets.sizes, dtype=jnp.int32) - sets.sizes
  first = size * segments.places(patch_sets)  # [L]
  within = first[:, None] + jnp.arange(size, dtype=jnp.int32)  # [L, m]
  rows = segments.broadcast(starts, patch_sets)[:, None] + within
  is_there = within < segments.broadcast(sets.sizes, patch_sets)[:, None]
  values = elements.at[rows].get(mode="clip")  # [L, m, W]
  values = jnp.where(is_there[..., None], values, 0)
  return values.reshape(len(rows), -1), patch_sets


def _encoding(places: Array, like: Array) -> Array:
  """Returns sines, then cosines, of places [L] at W/2 frequencies: [L, W]."""
  half, dtype = like.shape[1] // 2, like.dtype
  frequencies = 1e-4 ** jnp.linspace(0, 1, half, dtype=dtype)
  angles = places.astype(dtype)[:, None] * frequencies  # [L, W/2]
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
