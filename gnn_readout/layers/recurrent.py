"""Gated recurrent cells, and the state they reach on the elements of each set.

The cells are PyTorch's, with its two biases and its initialisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets


class Gates(NamedTuple):
  """The weights of a cell of U units with G gates, side by side.

  Attributes:
    w_x: [D, G U], of the input.
    w_h: [U, G U], of the state.
    b_x: [G U].
    b_h: [G U].
  """

  w_x: Array
  w_h: Array
  b_x: Array
  b_h: Array

  def of_input(self, x: Array) -> Array:
    """Returns [..., G U] for inputs [..., D]."""
    return x @ self.w_x + self.b_x


def make_gates(inputs: int, units: int, num_gates: int, dtype) -> Gates:
  """Creates the parameters w_x, w_h, b_x, b_h in the current module."""
  init = hk.initializers.RandomUniform(-(units**-0.5), units**-0.5)
  shapes = Gates(
    (inputs, num_gates * units),
    (units, num_gates * units),
    (num_gates * units,),
    (num_gates * units,),
  )
  return Gates(
    *(
      hk.get_parameter(name, shape, dtype, init)
      for name, shape in shapes._asdict().items()
    )
  )


def lstm(gates: Gates, x: Array, state: tuple[Array, Array]):
  """Returns the next (h, c), each [..., U].

  c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'), with the
  gates in the order i, f, g, o.

  Args:
    gates: Weights and biases of the four gates.
    x: [..., 4 U], from `of_input`.
    state: (h, c).
  """
  h, c = state
  i, f, g, o = jnp.split(x + h @ gates.w_h + gates.b_h, 4, axis=-1)
  c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
  return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(gates: Gates, x: Array, state: Array) -> Array:
  """Returns the next h [..., U].

  h' = (1 - z) n + z h, n = tanh(x_n + r h_n), r and z sigmoids, with the gates
  in the order r, z, n.

  Args:
    gates: Weights and biases of the three gates.
    x: [..., 3 U], from `of_input`.
    state: h.
  """
  x_r, x_z, x_n = jnp.split(x, 3, axis=-1)
  h_r, h_z, h_n = jnp.split(state @ gates.w_h + gates.b_h, 3, axis=-1)
  z = jax.nn.sigmoid(x_z + h_z)
  n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
  return (1 - z) * n + z * state


class Cell(NamedTuple):
  """A kind of cell.

  Attributes:
    step: (weights, gates of the input [..., G U], states) -> states, tuples of
      arrays [..., U] of which the first is h.
    num_gates: G.
    num_states: How many arrays its state is.
  """

  step: Callable[[Gates, Array, tuple[Array, ...]], tuple[Array, ...]]
  num_gates: int
  num_states: int


LSTM = Cell(lstm, 4, 2)
GRU = Cell(lambda gates, x, state: (gru(gates, x, *state),), 3, 1)


def last_hidden(cell: Cell, units: int, elements: Array, sets: Sets) -> Array:
  """Returns h after the last element of each set, and 0 for none.

  One scan over all elements, in which the state is 0 again at the first of each
  set: N steps, and no padding is computed. The weights are parameters of the
  current module.

  Args:
    cell: `LSTM` or `GRU`.
    units: U.
    elements: [N, D].
    sets: Which set each element belongs to.

  Returns:
    [S, U].
  """
  dtype = elements.dtype
  gates = make_gates(elements.shape[1], units, cell.num_gates, dtype)
  start = (jnp.zeros(units, dtype),) * cell.num_states

  def step(state, row):
    x, is_first = row
    state = jax.tree.map(lambda s: jnp.where(is_first, 0, s), state)
    state = cell.step(gates, x, state)
    return state, state[0]

  is_first = segments.places(sets) == 0  # [N], padding too
  rows = gates.of_input(elements), is_first
  _, hidden = jax.lax.scan(step, start, rows)  # [N, U]
  last = jnp.cumsum(sets.sizes, dtype=jnp.int32) - 1  # [S]
  filled = (sets.sizes > 0)[:, None]
  return jnp.where(filled, hidden.at[last].get(mode="clip"), 0)
