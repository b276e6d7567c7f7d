"""Soft attention: each element is transformed and weighed by its own gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.errors import suggest
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import check_widths
from gnn_readout.readouts.base import Aggregate, Readout, without_loss


def _softmax_gated(
  gate: Array, hidden: Array, value: Callable[[Array], Array], sets: Sets
) -> Array:
  """Returns sum_i softmax(gate)_i value(hidden_i), 0 for the empty set."""
  if gate.shape[1] > 1:
    return segments.softmax_mean(gate, value(hidden), sets)
  # The weights sum to 1: map their one mean per set, not every element.
  filled = (sets.sizes > 0).astype(hidden.dtype)[:, None]  # [S, 1]
  return filled * value(segments.softmax_mean(gate, hidden, sets))


def _sigmoid_gated(
  gate: Array, hidden: Array, value: Callable[[Array], Array], sets: Sets
) -> Array:
  """Returns tanh(sum_i sigmoid(gate_i) tanh(value(hidden_i)))."""
  gated = jax.nn.sigmoid(gate) * jnp.tanh(value(hidden))  # [N, D_out]
  return jnp.tanh(segments.sum(gated, sets))


class _Gate(NamedTuple):
  """How elements are pooled by their gates, and what each then weighs.

  Attributes:
    pool: (gate, hidden, value, sets) -> [S, D_out].
    weights: (gate, sets) -> [N, 1] or [N, D_out].
  """

  pool: Callable[..., Array]
  weights: Callable[[Array, Sets], Array]


_GATES = {
  "softmax": _Gate(_softmax_gated, segments.softmax),
  "sigmoid": _Gate(
    _sigmoid_gated,
    lambda gate, sets: segments.masked(jax.nn.sigmoid(gate), sets),
  ),
}


class GatedAttention(Readout):
  """y = sum_i softmax_i(g(x_i)) v(x_i), g and v networks with ReLU.

  g gives one number per element, or per feature of v; 0 for the empty set. A
  constant g makes it the mean of v, a large one picks one element. It is
  PyTorch Geometric's AttentionalAggregation. `gate="sigmoid"` is the original:
  y = tanh(sum_i sigmoid(g(x_i)) tanh(v(x_i))).

  Differs from the paper: the softmax, by which y does not grow with the set,
  came later; and the networks see x_i alone, not also the input of the node.

  Reference: Li et al. 2016, "Gated Graph Sequence Neural Networks", eq. 7.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: GatedAttention(gate_widths=[8])(x, sets))
    >>> pool.apply(pool.init(jax.random.key(0)), None).values.shape
    (3, 4)
  """

  family = "attention"
  reduces_to = "mean, if the gate is constant"
  weighs = True

  def __init__(
    self,
    gate: str = "softmax",
    gate_widths: Sequence[int] = (),
    value_widths: Sequence[int] = (),
    per_feature: bool = False,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      gate: 'softmax' or 'sigmoid'.
      gate_widths: Widths of the hidden layers of g.
      value_widths: Widths of the hidden layers of v.
      per_feature: Whether g gives one number for each feature of v.
      output_size: D_out, the width of v, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `gate` is unknown or a width is not positive.
    """
    super().__init__(output_size, name)
    if gate not in _GATES:
      raise ValueError(f"Unknown gate {gate!r}.{suggest(gate, _GATES)}")
    check_widths(gate_widths=gate_widths, value_widths=value_widths)
    self._gate = _GATES[gate]
    self._gate_widths = tuple(gate_widths)
    self._value_widths = tuple(value_widths)
    self._per_feature = per_feature

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D_out] and the gates, after their softmax if any, [N, H]."""
    size = self._output_size or elements.shape[1]
    gates = size if self._per_feature else 1
    gate = hk.nets.MLP((*self._gate_widths, gates), name="gate")(elements)
    hidden = hk.nets.MLP(
      self._value_widths, activate_final=True, name="hidden"
    )(elements)
    value = hk.Linear(size, name="value")
    return without_loss(
      self._gate.pool(gate, hidden, value, sets),
      self._gate.weights(gate, sets),
    )
