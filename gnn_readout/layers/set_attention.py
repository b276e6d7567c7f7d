"""Multi-head attention within sets, and the blocks of the Set Transformer.

Every attention here computes, head by head with E = D/H features each,

  out_i = sum_j softmax_j(q_i . k_j / sqrt(E)) v_j,  k_j = W^K y_j,

over the j of i's set. They differ in how the two sides are laid out. Keys take
no bias: it would add the same number to all scores of a query. Queries without
keys (empty sets, padding) get 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets, make_sets
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.pairs import pair_max, pair_sum

# (queries, y, W^K, values, H) -> out, like the queries.
Attend = Callable[[Array, Array, Array, Array, int], Array]


def _heads(x: Array, num_heads: int) -> Array:
  """Returns [..., H, E] from [..., D]."""
  return x.reshape(*x.shape[:-1], num_heads, x.shape[-1] // num_heads)


def _join(x: Array) -> Array:
  """Returns [..., D] from [..., H, E]."""
  return x.reshape(*x.shape[:-2], -1)


def _scores(q: Array, k: Array, together: Array) -> Array:
  """Returns [H, I, J], -inf for pairs that are not together."""
  return jnp.where(together, jnp.einsum("ihe,jhe->hij", q, k), -jnp.inf)


def _peak_tile(_, q, k, together):
  """Returns [I, H], the highest score of each query."""
  return jnp.max(_scores(q, k, together), axis=-1).T


def _weigh_tile(_, query, key, together):
  """Returns sum_j w_ij v_j [I, H, E] and sum_j w_ij [I, H]."""
  (q, peak), (k, v) = query, key
  peak = jax.lax.stop_gradient(peak)
  scores = _scores(q, k, together) - peak.T[:, :, None]
  # Both loops may round a score differently: no weight shall exceed 1.
  scores = scores - jax.lax.stop_gradient(jnp.maximum(scores, 0))
  weights = jnp.exp(scores)  # [H, I, J]
  return jnp.einsum("hij,jhe->ihe", weights, v), jnp.sum(weights, axis=-1).T


def attend_within(
  queries: Array,
  y: Array,
  key: Array,
  values: Array,
  num_heads: int,
  *,
  query_sets: Sets,
  key_sets: Sets,
) -> Array:
  """Attention from N rows to the M rows of the same set, tile by tile.

  The weights [H, pairs] are never stored; see `pairs` for the cost.

  Args:
    queries: [N, D], finite.
    y: [M, D], finite.
    key: W^K [D, D].
    values: [M, D], finite.
    num_heads: H.
    query_sets: The set of each of the N rows.
    key_sets: The set of each of the M rows.

  Returns:
    [N, D].
  """
  q, k, v = (_heads(x, num_heads) for x in (queries, y @ key, values))
  q = q * q.shape[-1] ** -0.5
  sets = (query_sets, key_sets)
  peak = pair_max(_peak_tile, (), q, k, *sets, num_heads)  # [N, H]
  peak = jnp.where(jnp.isfinite(peak), peak, 0)
  total, weight = pair_sum(
    _weigh_tile, (), (q, peak), (k, v), *sets, num_heads, False
  )  # [N, H, E], [N, H]
  return _join(total / jnp.where(weight > 0, weight, 1)[..., None])


def attend_from_seeds(
  queries: Array,
  y: Array,
  key: Array,
  values: Array,
  num_heads: int,
  *,
  sets: Sets,
) -> Array:
  """Attention from K queries, the same for all sets, to a set's elements.

  As the queries do not depend on the set, W^K is applied to them instead of
  the elements: scores cost K H columns, and memory is O(N K D).

  Args:
    queries: [K, D].
    y: [N, D].
    key: W^K [D, D].
    values: [N, D], finite.
    num_heads: H.
    sets: The set of each element.

  Returns:
    [S, K, D].
  """
  q = _heads(queries, num_heads)  # [K, H, E]
  directions = jnp.einsum("dhe,khe->dkh", _heads(key, num_heads), q)
  scores = y @ directions.reshape(len(key), -1) * q.shape[-1] ** -0.5
  weights = segments.softmax(scores, sets)  # [N, K H]
  weights = weights.reshape(-1, *q.shape[:2], 1)  # [N, K, H, 1]
  weighted = weights * _heads(values, num_heads)[:, None]  # [N, K, H, E]
  total = segments.sum(weighted.reshape(len(y), -1), sets)  # [S, K D]
  return total.reshape(-1, *queries.shape)  # [S, K, D]


def attend_dense(
  queries: Array, y: Array, key: Array, values: Array, num_heads: int
) -> Array:
  """Attention from queries [..., K, D] to y, values [..., M, D]."""
  q, k, v = (_heads(x, num_heads) for x in (queries, y @ key, values))
  # Scaled before the product: a product and the difference with its maximum
  # are not to be contracted into one rounding, see `segments.softmax`.
  q = q * q.shape[-1] ** -0.5
  scores = jnp.einsum("...ihe,...jhe->...hij", q, k)
  weights = jax.nn.softmax(scores, axis=-1)  # [..., H, K, M]
  return _join(jnp.einsum("...hij,...jhe->...ihe", weights, v))


class AttentionBlock(hk.Module):
  """MAB(X, Y) = N(A + relu(A W + b)), A = N(X + Multihead(X, Y, Y)).

  N is LayerNorm or nothing. As in PyTorch Geometric: projections with
  biases, one linear row-wise layer, PyTorch's initialisation.

  Reference: Lee et al. 2019, "Set Transformer", eq. 6-7.
  """

  def __init__(self, num_heads: int, layer_norm: bool = False, name=None):
    """Creates the block.

    Args:
      num_heads: H, which must divide D.
      layer_norm: Whether N is LayerNorm.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._num_heads = num_heads
    self._layer_norm = layer_norm

  def __call__(self, x: Array, y: Array, attend: Attend) -> Array:
    """Returns a row for every query.

    Args:
      x: [..., D], queries.
      y: [..., D], what they look at.
      attend: One of this module's attentions, its sets bound.

    Raises:
      ValueError: if the heads do not divide D.
    """
    width, heads = x.shape[-1], self._num_heads
    check_heads(heads, width)
    # Xavier's bound for the one [3D, D] matrix that PyTorch draws.
    init = hk.initializers.VarianceScaling(0.5, "fan_avg", "uniform")

    def normalise(rows, name):
      if not self._layer_norm:
        return rows
      return hk.LayerNorm(-1, True, True, name=name)(rows)

    q = hk.Linear(width, w_init=init, name="query")(x)
    key = hk.get_parameter("key", (width, width), x.dtype, init)
    values = hk.Linear(width, w_init=init, name="value")(y)
    init = hk.initializers.RandomUniform(-(width**-0.5), width**-0.5)
    out = attend(q, y, key, values, heads)
    out = hk.Linear(width, w_init=init, name="attended")(out)
    a = normalise(x + out, "norm_attended")
    forward = jax.nn.relu(Linear(width, name="forward")(a))
    return normalise(a + forward, "norm_forward")


class SetAttention(AttentionBlock):
  """SAB(X) = MAB(X, X) among the elements of each set.

  Reference: Lee et al. 2019, "Set Transformer", eq. 8.
  """

  def __call__(self, elements: Array, sets: Sets | None = None) -> Array:
    """Returns [N, D] for elements [N, D], or [..., K, D] without sets."""
    attend = attend_dense
    if sets is not None:
      attend = functools.partial(attend_within, query_sets=sets, key_sets=sets)
    return super().__call__(elements, elements, attend)


def seeds(name: str, count: int, width: int, dtype) -> Array:
  """Returns a parameter [K, D], from Xavier's bound for [1, K, D]."""
  bound = (6 / ((count + 1) * width)) ** 0.5
  init = hk.initializers.RandomUniform(-bound, bound)
  return hk.get_parameter(name, (count, width), dtype, init)


class InducedSetAttention(hk.Module):
  """ISAB_m(X) = MAB(X, H), H = MAB(I, X), with m learned points I.

  It costs N m pairs where `SetAttention` costs sum_s n_s^2.

  Reference: Lee et al. 2019, "Set Transformer", eq. 9-10.
  """

  def __init__(
    self, num_points: int, num_heads: int, layer_norm: bool = False, name=None
  ):
    """Creates the block.

    Args:
      num_points: m.
      num_heads: H, which must divide D.
      layer_norm: Whether to normalise.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._num_points = num_points
    self._args = num_heads, layer_norm

  def __call__(self, elements: Array, sets: Sets) -> Array:
    """Returns [N, D] for elements [N, D]."""
    width, m = elements.shape[-1], self._num_points
    points = seeds("points", m, width, elements.dtype)
    look = functools.partial(attend_from_seeds, sets=sets)
    h = AttentionBlock(*self._args, name="induce")(points, elements, look)
    count = sets.num_segments * m
    point_sets = make_sets(jnp.full(sets.num_segments, m, jnp.int32), count)
    spread = functools.partial(
      attend_within, query_sets=sets, key_sets=point_sets
    )
    return AttentionBlock(*self._args, name="spread")(
      elements, h.reshape(count, width), spread
    )


class AttentionPooling(hk.Module):
  """PMA_k(X) = MAB(seeds, relu(X W + b)) with k learned seeds.

  Reference: Lee et al. 2019, "Set Transformer", eq. 11.
  """

  def __init__(
    self, num_seeds: int, num_heads: int, layer_norm: bool = False, name=None
  ):
    """Creates the block.

    Args:
      num_seeds: k.
      num_heads: H, which must divide D.
      layer_norm: Whether to normalise.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._num_seeds = num_seeds
    self._args = num_heads, layer_norm

  def __call__(self, elements: Array, sets: Sets | None = None) -> Array:
    """Returns [S, k, D] for elements [N, D], or for [S, K, D] without sets."""
    width = elements.shape[-1]
    queries = seeds("seeds", self._num_seeds, width, elements.dtype)
    attend = attend_dense
    if sets is not None:
      attend = functools.partial(attend_from_seeds, sets=sets)
    y = jax.nn.relu(Linear(width, name="forward")(elements))
    return AttentionBlock(*self._args, name="attend")(queries, y, attend)


def in_turn(
  blocks: Sequence[Callable[[Array], Array]], elements: Array, sets: Sets
) -> tuple[Array, Array]:
  """Applies blocks on the elements of sets, one after another.

  What overflows in one block is not for other sets to meet in the next.

  Args:
    blocks: Each from [N, D] to [N, D].
    elements: [N, D], finite.
    sets: Which set each element belongs to.

  Returns:
    [N, D], finite, and [S] bool, the sets that had a number which is not.
  """
  faulty = jnp.zeros(sets.num_segments, bool)
  for block in blocks:
    elements, overflows = segments.without_faults(block(elements), sets)
    faulty |= overflows
  return elements, faulty


def check_heads(num_heads: int, width: int) -> None:
  """Raises ValueError unless the heads divide the width."""
  if width % num_heads:
    raise ValueError(
      f"num_heads must divide the width {width}, got {num_heads}."
    )


def check_counts(**counts: int) -> None:
  """Raises ValueError unless every named count is positive."""
  for name, count in counts.items():
    if count < 1:
      raise ValueError(f"{name} must be positive, got {count}.")
