"""An LSTM that reads each set in an order that is learned."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers import permutation
from gnn_readout.readouts.base import Readout

_NEVER = -1e30  # A logit; finite, so that differences of two are numbers.


class Permutation(Readout):
  """y = c_n, the last cell of an LSTM that reads z_1, ..., z_n.

  z_k = sum_i P_ik x_i, where the doubly stochastic P [n, n] is found by T steps
  from the uniform matrix that lower the cost of each pair's order (PO-U):
  f(x_i, x_j) - f(x_j, x_i), of norm 1, for i before j. f has one hidden layer,
  and the step size is learned. Elements that are equal cost nothing in either
  order, so the result does not depend on that of the input. Empty sets give 0.

  Sets share one matrix of all N elements of the batch, [N, N], of which each
  has its block: memory is O(N^2), time O(T N^3), and the LSTM makes N steps one
  after another. It is meant for small sets.

  Differs from the paper: it weighs elements by attention, and its network of
  pairs has 128 hidden units where ours has 16 unless told otherwise.

  Reference: Zhang, Hare and Prügel-Bennett 2019, "Learning Representations of
  Sets through Optimized Permutations", sections 3 and 4.4.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: Permutation()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).shape
    (2, 3)
  """

  family = "networks"

  def __init__(
    self,
    num_steps: int = 3,
    num_rounds: int = 4,
    pair_width: int = 16,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_steps: T; with 0 the LSTM reads the mean of a set n times.
      num_rounds: Number of rounds of Sinkhorn's scaling of rows and columns.
      pair_width: Width of the hidden layer of f.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is too small.
    """
    super().__init__(output_size, name)
    for key, value, least in (
      ("num_steps", num_steps, 0),
      ("num_rounds", num_rounds, 1),
      ("pair_width", pair_width, 1),
    ):
      if value < least:
        raise ValueError(f"{key} must be at least {least}, got {value}.")
    self._num_steps = num_steps
    self._num_rounds = num_rounds
    self._pair_width = pair_width

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    width = self._output_size or elements.shape[1]
    rate = hk.get_parameter("rate", (), elements.dtype, jnp.ones)
    ids = sets.segment_ids
    together = (ids[:, None] == ids[None, :]) & sets.mask[:, None]  # [N, N]
    # Padding stands at places of its own.
    allowed = together | jnp.diag(~sets.mask)

    def sinkhorn(logits: Array) -> Array:
      logits = jnp.where(allowed, logits, _NEVER)
      return permutation.log_sinkhorn(logits, self._num_rounds)

    raw = permutation.pair_costs(elements, self._pair_width)[0]  # [N, N]
    raw = jnp.where(together, raw - raw.T, 0)
    square = segments.sum(jnp.sum(raw**2, axis=1), sets)  # [S]
    norm = permutation.norm_of_square(square)
    divisor = jnp.where(sets.mask, segments.broadcast(norm, sets), 1)  # [N]
    costs = raw / divisor[:, None]
    log_p = permutation.optimised(
      costs[None],
      jnp.zeros_like(costs)[None],
      learning_rate=jnp.abs(rate),
      num_steps=self._num_steps,
      to_log_permutation=sinkhorn,
    )[0]
    ordered = jnp.exp(log_p).T @ elements  # [N, D], sets stay where they are.
    return self._read(ordered, sets, width)

  def _read(self, ordered: Array, sets: Sets, width: int) -> Array:
    """Returns [S, D_out], the last cell state of each set."""
    is_first = segments.places(sets) == 0  # [N]
    core = hk.LSTM(width, name="lstm")

    def cells(inputs, state):
      x, first = inputs
      # Every set starts at 0, though all are read in one go.
      state = jax.tree.map(lambda s: jnp.where(first, 0, s), state)
      _, state = core(x, state)
      return state.cell, state

    zeros = jnp.zeros(width, ordered.dtype)
    start = hk.LSTMState(zeros, zeros)
    states, _ = hk.dynamic_unroll(cells, (ordered, is_first), start)  # [N, D]
    ends = jnp.cumsum(sets.sizes) - 1  # [S]
    last = states.at[ends].get(mode="clip")
    return jnp.where(sets.sizes[:, None] > 0, last, 0)
