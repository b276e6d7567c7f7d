"""Set2Set: an LSTM that reads the set several times by attention."""

from __future__ import annotations

import haiku as hk
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class Set2Set(Readout):
  """y = q*_T, of q_t = LSTM(q*_{t-1}), q*_t = [q_t, r_t], q*_0 = 0.

  r_t = sum_i a_it x_i with a_t = softmax_i(x_i . q_t) over the elements of the
  set, and 0 for the empty set. One step reads with a query that is the same for
  all sets, as `attention` does.

  It is PyTorch Geometric's Set2Set, but for Haiku's LSTM: one bias instead of
  two, 1 added to that of the forget gate, and its own initialisation.

  Reference: Vinyals et al. 2016, "Order Matters: Sequence to Sequence for
  Sets", eq. 3-7.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: Set2Set(processing_steps=2)(x, sets))
    >>> pool.apply(pool.init(jax.random.key(0)), None).values.shape
    (3, 8)
  """

  family = "attention"
  reduces_to = "attention with one query (one step)"

  def __init__(
    self,
    processing_steps: int = 3,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      processing_steps: T, the number of times the set is read.
      output_size: D_out, or None for 2 D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `processing_steps` is not positive.
    """
    super().__init__(output_size, name)
    if processing_steps < 1:
      raise ValueError(
        f"processing_steps must be positive, got {processing_steps}."
      )
    self._processing_steps = processing_steps

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, 2 D]."""
    width = elements.shape[1]
    lstm = hk.LSTM(width, name="lstm")
    zeros = jnp.zeros((sets.num_segments, width), elements.dtype)  # [S, D]
    state = hk.LSTMState(zeros, zeros)
    seen = jnp.concatenate([zeros, zeros], axis=1)  # [S, 2 D]
    for _ in range(self._processing_steps):
      query, state = lstm(seen, state)  # [S, D]
      asked = segments.broadcast(query, sets)  # [N, D]
      scores = jnp.sum(elements * asked, axis=1, keepdims=True)  # [N, 1]
      read = segments.softmax_mean(scores, elements, sets)  # [S, D]
      seen = jnp.concatenate([query, read], axis=1)  # [S, 2 D]
    return seen
