"""Sums and maxima over the pairs of elements that share a set.

A batch has sum_s n_s^2 such pairs, a number known at run time only, while
shapes must be static. Ids ascend, so the partners of B consecutive elements
are consecutive as well: rows are cut into blocks, and a loop runs over just
the tiles (block of queries, block of keys) that hold a common set. Its trip
count is dynamic, the shapes in it are not. That costs about sum_s n_s (n_s +
2B) pairs. Masked products of all with all would cost N^2, offsets up to the
largest size N max_s n_s, a dense view S max_s n_s^2.

Reverse mode cannot pass through a loop of unknown length, nor should every
pair be stored: the derivative runs the same loop and computes each tile again.
The memory is that of the elements and of the few tiles under way. That
derivative is a sum over tiles again, of what each adds to the gradients of the
parameters, the queries and the keys; `_tile_sum` is such a sum in general, so
that there are derivatives of every order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets

Tree = Any  # Of arrays [N, ...]; any tree for parameters.
# (parameters, queries [I, ...], keys [J, ...], together [I, J] bool) ->
# [I, ...]: for each query what its keys give, those not together left out.
Tile = Callable[[Tree, Tree, Tree, Array], Tree]
# (parameters, queries [G, I, ...], keys [G, J, ...], together [G, I, J]) ->
# what G tiles add to some totals, to their queries [G, I, ...] and to their
# keys [G, J, ...].
Shares = Callable[[Tree, Tree, Tree, Array], tuple[Tree, Tree, Tree]]

_SMALLEST, _LARGEST = 8, 64  # Rows of a block.
# Numbers in one intermediate of the tiles under way: what a core's cache
# holds, or what keeps an accelerator busy.
_CPU_NUMBERS, _ACCELERATOR_NUMBERS = 2**17, 2**24


class _Side(NamedTuple):
  """The rows of one side, cut into blocks of B; one more block of padding.

  Attributes:
    ids: [K + 1, B], the set of each row.
    length: N.
  """

  ids: Array
  length: int

  def cut(self, rows: Array) -> Array:
    """Returns [K + 1, B, ...] from [N, ...]."""
    blocks = self.ids.shape
    padding = math.prod(blocks) - self.length
    rows = jnp.pad(rows, [(0, padding)] + [(0, 0)] * (rows.ndim - 1))
    return rows.reshape(blocks + rows.shape[1:])

  def join(self, blocks: Array) -> Array:
    """Returns [N, ...] from [K + 1, B, ...]."""
    return blocks.reshape(-1, *blocks.shape[2:])[: self.length]

  def full(self, like: jax.ShapeDtypeStruct, fill: float = 0.0) -> Array:
    """Returns blocks [K + 1, B, ...] for the results [G, B, ...] of tiles."""
    shape = self.ids.shape + like.shape[2:]
    return jnp.full(shape, fill, like.dtype)


def _side(sets: Sets, padding: int) -> _Side:
  """Cuts into blocks of about the mean size: small sets waste less so."""
  length = sets.segment_ids.shape[0]
  mean = max(length // max(sets.num_segments, 1), 1)
  rows = min(max(1 << (mean - 1).bit_length(), _SMALLEST), _LARGEST)
  blocks = -(-length // rows) + 1
  ids = jnp.where(sets.mask, sets.segment_ids, padding)
  ids = jnp.pad(ids, (0, blocks * rows - length), constant_values=padding)
  return _Side(ids.reshape(blocks, rows), length)


class _Tiling(NamedTuple):
  """Which tiles there are, in the order of the blocks of queries.

  Attributes:
    queries, keys: The two sides.
    first: [K + 1], the first block of keys of each block of queries.
    ends: [K + 1], the number of tiles up to and with this block of queries.
    batch: The number of tiles under way at once.
    distinct: Whether an element is no partner of itself.
  """

  queries: _Side
  keys: _Side
  first: Array
  ends: Array
  batch: int
  distinct: bool

  def together(self, query: Array, key: Array) -> Array:
    """Returns [G, I, J]: which pairs of the tiles count."""
    q, k = self.queries.ids, self.keys.ids
    same = q[query][:, :, None] == k[key][:, None, :]
    if not self.distinct:
      return same
    # Positions agree on both sides, which hold the same elements.
    i = query[:, None] * q.shape[1] + jnp.arange(q.shape[1])  # [G, I]
    j = key[:, None] * k.shape[1] + jnp.arange(k.shape[1])  # [G, J]
    return same & (i[:, :, None] != j[:, None, :])

  def loop(self, step: Callable[..., Tree], state: Tree) -> Tree:
    """Runs state = step(state, query blocks [G], key blocks [G])."""
    last = self.first.shape[0] - 1

    def body(carry):
      start, state = carry
      tile = start + jnp.arange(self.batch, dtype=jnp.int32)  # [G]
      # Past the end it is the block of padding, which has no partners.
      query = jnp.searchsorted(self.ends, tile, side="right")
      query = jnp.minimum(query, last)
      earlier = jnp.where(query > 0, self.ends[query - 1], 0)
      key = jnp.where(query < last, self.first[query] + tile - earlier, 0)
      return start + self.batch, step(state, query, key)

    def more(carry):
      return carry[0] < self.ends[-1]

    return jax.lax.while_loop(more, body, (jnp.int32(0), state))[1]


def _tiling(
  query_sets: Sets, key_sets: Sets, width: int, distinct: bool
) -> _Tiling:
  """Finds the tiles, whose results hold `width` numbers per pair."""
  # Two ids that never agree: padding belongs to no set on either side.
  queries, keys = _side(query_sets, -1), _side(key_sets, -2)
  ends = jnp.cumsum(key_sets.sizes, dtype=jnp.int32)  # [S]
  starts = ends - key_sets.sizes
  real = queries.ids >= 0
  # Real rows of a block come first.
  lowest = queries.ids[:, 0]
  highest = jnp.max(queries.ids, axis=1)
  size = keys.ids.shape[1]
  begin = starts[jnp.maximum(lowest, 0)]
  end = ends[jnp.maximum(highest, 0)]
  first = begin // size
  count = jnp.where(
    real[:, 0] & (end > begin), (end - 1) // size - first + 1, 0
  )
  cpu = jax.default_backend() == "cpu"
  budget = _CPU_NUMBERS if cpu else _ACCELERATOR_NUMBERS
  pairs = queries.ids.shape[1] * size
  most = (queries.ids.shape[0] - 1) * (keys.ids.shape[0] - 1)
  batch = max(min(budget // (pairs * width), most), 1)
  total = jnp.cumsum(count, dtype=jnp.int32)  # [K + 1]
  return _Tiling(queries, keys, first, total, batch, distinct)


def _sides(tiling: _Tiling, queries: Tree, keys: Tree) -> tuple[Tree, Tree]:
  """Cuts both sides into blocks."""
  return (
    jax.tree.map(tiling.queries.cut, queries),
    jax.tree.map(tiling.keys.cut, keys),
  )


def _take(blocks: Tree, index: Array) -> Tree:
  """Returns [G, B, ...] from [K + 1, B, ...]."""
  return jax.tree.map(lambda x: x[index], blocks)


def pair_max(
  tile: Tile,
  params: Tree,
  queries: Tree,
  keys: Tree,
  query_sets: Sets,
  key_sets: Sets,
  width: int = 1,
) -> Tree:
  """Returns the elementwise maximum over each query's keys, a constant.

  The gradient is zero: it serves to shift exponents. Arguments are those of
  `pair_sum`; a query without keys gets -inf.
  """
  tiling = _tiling(query_sets, key_sets, width, False)
  params, queries, keys = jax.lax.stop_gradient((params, queries, keys))
  q, k = _sides(tiling, queries, keys)

  def run(query, key):
    together = tiling.together(query, key)
    many = jax.vmap(tile, (None, 0, 0, 0))
    return many(params, _take(q, query), _take(k, key), together)

  def step(state, query, key):
    new = run(query, key)
    return jax.tree.map(lambda x, y: x.at[query].max(y), state, new)

  index = jnp.zeros(tiling.batch, jnp.int32)
  like = jax.eval_shape(run, index, index)
  state = jax.tree.map(lambda x: tiling.queries.full(x, -jnp.inf), like)
  return jax.tree.map(tiling.queries.join, tiling.loop(step, state))


def pair_sum(
  tile: Tile,
  params: Tree,
  queries: Tree,
  keys: Tree,
  query_sets: Sets,
  key_sets: Sets,
  width: int = 1,
  distinct: bool = False,
) -> Tree:
  """Returns y_i = sum_j f(params, q_i, k_j) over the keys of i's set.

  Args:
    tile: f for a block of queries and one of keys, summed over these keys. It
      must give 0, with finite derivatives, for pairs that are not together, and
      close over no traced array.
    params: What f is differentiated by besides.
    queries: Arrays [N, ...], finite everywhere.
    keys: Arrays [M, ...], finite everywhere.
    query_sets: The set of each query.
    key_sets: The set of each key; as many sets.
    width: The most numbers an intermediate result of f holds per pair.
    distinct: Whether to leave out i = j; queries and keys are then the same
      elements.

  Returns:
    Arrays [N, ...] as `tile` returns; 0 for padding.
  """
  many = jax.vmap(tile, (None, 0, 0, 0))

  def shares(params, queries, keys, together):
    return (), many(params, queries, keys, together), ()

  sets = query_sets, key_sets
  return _tile_sum(shares, width, distinct, params, queries, keys, sets)[1]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _tile_sum(
  shares: Shares,
  width: int,
  distinct: bool,
  params: Tree,
  queries: Tree,
  keys: Tree,
  sets: tuple[Sets, Sets],
) -> tuple[Tree, Tree, Tree]:
  """Returns the sum of the shares of all tiles.

  Args:
    shares: What some tiles add; nothing for pairs that are not together.
    width: Width as in `pair_sum`.
    distinct: Whether pairs are distinct, as in `pair_sum`.
    params: Any tree.
    queries: Arrays [N, ...].
    keys: Arrays [M, ...].
    sets: Sets of the queries and those of the keys.

  Returns:
    Totals, arrays [N, ...] for the queries and arrays [M, ...] for the keys.
  """
  tiling = _tiling(*sets, width, distinct)
  q, k = _sides(tiling, queries, keys)

  def run(query, key):
    together = tiling.together(query, key)
    return shares(params, _take(q, query), _take(k, key), together)

  def step(state, query, key):
    total, of_queries, of_keys = state
    new_total, new_queries, new_keys = run(query, key)
    return (
      jax.tree.map(jnp.add, total, new_total),
      jax.tree.map(lambda x, y: x.at[query].add(y), of_queries, new_queries),
      jax.tree.map(lambda x, y: x.at[key].add(y), of_keys, new_keys),
    )

  index = jnp.zeros(tiling.batch, jnp.int32)
  total, of_queries, of_keys = jax.eval_shape(run, index, index)
  state = (
    jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), total),
    jax.tree.map(tiling.queries.full, of_queries),
    jax.tree.map(tiling.keys.full, of_keys),
  )
  total, of_queries, of_keys = tiling.loop(step, state)
  return (
    total,
    jax.tree.map(tiling.queries.join, of_queries),
    jax.tree.map(tiling.keys.join, of_keys),
  )


def _tile_sum_fwd(shares, width, distinct, params, queries, keys, sets):
  arguments = params, queries, keys, sets
  return _tile_sum(shares, width, distinct, *arguments), arguments


def _tile_sum_bwd(shares, width, distinct, saved, bars):
  """Returns a sum of the same kind, of what each tile adds to the gradient."""
  *arguments, sets = saved

  def pull(params, queries, keys, together):
    x, bars = zip(params, queries, keys, strict=True)
    return jax.vjp(lambda *x: shares(*x, together), *x)[1](bars)

  # Each with the cotangents of what the sum holds for it.
  arguments = zip(arguments, bars, strict=True)
  return *_tile_sum(pull, width, distinct, *arguments, sets), None


_tile_sum.defvjp(_tile_sum_fwd, _tile_sum_bwd)
