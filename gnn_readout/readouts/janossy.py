"""Janossy pooling with pairs: a network of ordered pairs, averaged."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import Linear
from gnn_readout.layers.pair_network import (
  PairNetwork,
  check_widths,
  make_pair_network,
)
from gnn_readout.readouts.base import Readout

_REDUCTIONS = ("mean", "sum")


class Janossy(Readout):
  """y = 1/(n (n-1)) sum_{i != j} f(x_i, x_j), f(x, x') = W h(x, x') + b.

  h is a network with tanh after every layer. One element is paired with
  zeros, y = f(x_1, 0), as the paper pads short sequences; the empty set gives
  0. If f ignores its second argument this is the mean of f(x_i).

  W and b are applied to the mean of h, and the first layer of h is computed per
  element: with one hidden layer a pair costs one addition and one tanh per
  hidden unit. All pairs cost sum_s n_s^2 of these, in tiles that are computed
  again for the gradient, so that memory is O(N D). With `num_partners` = m a
  training step draws m partners of each element instead, N m pairs: an
  unbiased estimate of y; evaluation takes all pairs. (No choice of partners
  that is a function of the positions could keep the readout independent of
  the order.)

  Differs from the paper: k = 2 alone; the network rho on top is left to the
  layers that follow; the paper draws a permutation of each set, whose first
  two elements are one pair, where we draw partners for every element.

  Reference: Murphy et al. 2019, "Janossy Pooling: Learning Deep
  Permutation-Invariant Functions for Variable-Size Inputs", section 2, k-ary
  dependencies.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: Janossy()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 3)
  """

  family = "networks"
  reduces_to = "mean of f(x), if f ignores its second argument"

  def __init__(
    self,
    pair_widths: Sequence[int] | None = None,
    reduction: str = "mean",
    num_partners: int | None = None,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      pair_widths: Widths of the layers of h, at least one; [D] by default.
      reduction: "mean" over the pairs, or "sum".
      num_partners: m partners drawn for each element in training, which then
        needs a random key; None for all.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is not positive, `pair_widths` is empty or
        `reduction` is unknown.
    """
    super().__init__(output_size, name)
    check_widths("pair_widths", pair_widths)
    if num_partners is not None and num_partners < 1:
      raise ValueError(f"num_partners must be positive, got {num_partners}.")
    if reduction not in _REDUCTIONS:
      raise ValueError(
        f"reduction must be one of {_REDUCTIONS}, got {reduction!r}."
      )
    self._widths = pair_widths
    self._is_mean = reduction == "mean"
    self._num_partners = num_partners

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    width, dtype = elements.shape[-1], elements.dtype
    h = make_pair_network(elements, self._widths or [width], jnp.tanh)
    if is_training and self._num_partners is not None:
      rows = drawn_row_sums(h, sets, self._num_partners, hk.next_rng_key())
    else:
      rows = h.row_sums(sets, distinct=True)  # [N, W]
    single = segments.broadcast(sets.sizes == 1, sets)[:, None]  # [N, 1]
    rows = jnp.where(single, h(h.first, 0.0), rows)
    count = (sets.sizes * jnp.maximum(sets.sizes - 1, 1)).astype(dtype)
    total = segments.sum(rows, sets)  # [S, W]
    size = self._output_size or width
    mean = total / jnp.maximum(count, 1)[:, None]
    values = Linear(size, name="project")(mean)  # [S, D_out]
    weight = jnp.minimum(count, 1) if self._is_mean else count  # [S]
    return weight[:, None] * values


def drawn_row_sums(
  network: PairNetwork, sets: Sets, num_partners: int, key: Array
) -> Array:
  """Returns an unbiased estimate of sum_{j != i} g(x_i, x_j), [N, W].

  Args:
    network: g.
    sets: Which set each element belongs to.
    num_partners: m, drawn with replacement and evenly among the others.
    key: Random key.
  """
  length = sets.segment_ids.shape[0]
  sizes = segments.broadcast(sets.sizes, sets)  # [N]
  starts = segments.broadcast(jnp.cumsum(sets.sizes) - sets.sizes, sets)
  others = jnp.maximum(sizes - 1, 1)
  place = jnp.arange(length) - starts

  def add(total, key):
    step = 1 + jax.random.randint(key, (length,), 0, others)
    partner = starts + (place + step) % jnp.maximum(sizes, 1)  # [N]
    second = network.second.at[partner].get(mode="clip")
    return total + network(network.first, second), None

  keys = jax.random.split(key, num_partners)
  like = jax.eval_shape(network.__call__, network.first, network.second)
  total, _ = jax.lax.scan(add, jnp.zeros(like.shape, like.dtype), keys)
  weight = jnp.where(sizes > 1, others, 0) / num_partners  # [N]
  return total * weight.astype(total.dtype)[:, None]
