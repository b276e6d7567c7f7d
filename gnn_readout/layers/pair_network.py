"""A network on pairs of elements, and its sum over the pairs of each set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import initialisers
from gnn_readout.layers.pairs import pair_sum


class PairNetwork(NamedTuple):
  """g(x_i, x_j) = act(... act(W_1 x_i + V_1 x_j + b_1) ...), all activated.

  The first layer splits into a part per element, so that a pair costs no more
  than the other layers.

  Attributes:
    first: W_1 x_i + b_1, [N, W].
    second: V_1 x_j, [N, W].
    layers: (w [W, W'], b [W']) of the second layer and on.
    activation: act.
  """

  first: Array
  second: Array
  layers: tuple[tuple[Array, Array], ...]
  activation: Callable[[Array], Array]

  def __call__(self, first: Array, second: Array | float) -> Array:
    """Returns g [..., W'] from shares of the first layer [..., W]."""
    return _network(self.layers, first + second, self.activation)

  def row_sums(self, sets: Sets, distinct: bool) -> Array:
    """Returns sum_j g(x_i, x_j) over i's set, [N, W']; 0 for padding.

    Args:
      sets: Which set each element belongs to.
      distinct: Whether to leave out j = i.
    """
    tile = functools.partial(_tile, activation=self.activation)
    width = max(self.first.shape[1], *(len(b) for _, b in self.layers), 1)
    return pair_sum(
      tile, self.layers, self.first, self.second, sets, sets, width, distinct
    )


def check_widths(name: str, widths: Sequence[int] | None) -> None:
  """Raises ValueError unless None or at least one width, all positive."""
  if widths is not None and (not widths or min(widths) < 1):
    raise ValueError(
      f"{name} must be None or positive numbers, at least one, got {widths}."
    )


def make_pair_network(
  elements: Array, widths: Sequence[int], activation: Callable[[Array], Array]
) -> PairNetwork:
  """Creates the parameters w_k, b_k in the current module.

  Args:
    elements: [N, D].
    widths: Width of each layer.
    activation: After every layer.
  """
  fan_in, layers = 2 * elements.shape[1], []
  for k, width in enumerate(widths):
    w_init, b_init = initialisers("pytorch", fan_in, width)
    w = hk.get_parameter(f"w_{k}", (fan_in, width), elements.dtype, w_init)
    b = hk.get_parameter(f"b_{k}", (width,), elements.dtype, b_init)
    layers.append((w, b))
    fan_in = width
  (w, b), *later = layers
  of_first, of_second = jnp.split(w, 2)
  return PairNetwork(
    elements @ of_first + b, elements @ of_second, tuple(later), activation
  )


def _network(layers, first, activation):
  h = activation(first)
  for w, b in layers:
    h = activation(h @ w + b)
  return h


def _tile(layers, first, second, together, *, activation):
  """Returns the sums [I, W'] over the j together with i."""
  pre = first[:, None] + second[None, :]  # [I, J, W]
  h = _network(layers, pre, activation)  # [I, J, W']
  return jnp.sum(jnp.where(together[..., None], h, 0), axis=1)
