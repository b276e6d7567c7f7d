"""Every readout as a pair of pure functions, for any JAX library.

    init, apply = functional.readout("attention", num_heads=4)
    params = init(key, elements, sets)
    vectors = apply(params, elements, sets).values

`params` is a dictionary of dictionaries of arrays, that of Haiku. What wraps
the pair as a module of another library is `gnn_readout.flax` and
`gnn_readout.equinox`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Edges, Sets, make_sets
from gnn_readout.readouts import Aggregate, make_readout


@dataclasses.dataclass(frozen=True)
class _Function:
  """What Init and Apply share; those of the same readout are equal.

  Attributes:
    name: Name of the readout.
    arguments: `output_size` and its own.
  """

  name: str
  arguments: dict[str, Any] = dataclasses.field(hash=False)

  def transformed(self) -> hk.Transformed:
    """Returns the readout's two functions as Haiku makes them."""

    def forward(elements: Array, sets: Sets, is_training: bool) -> Aggregate:
      pool = make_readout(self.name, **self.arguments)
      return pool(elements, sets, is_training)

    return hk.transform(forward)


class Init(_Function):
  """Makes the parameters of a readout."""

  def __call__(self, key: Array, elements: Array, sets: Sets) -> hk.Params:
    """Returns new parameters.

    Args:
      key: A JAX key.
      elements: [N, D]; only D and the type matter.
      sets: Which set each element belongs to.
    """
    return self.transformed().init(key, elements, sets, True)


class Apply(_Function):
  """Aggregates each set."""

  def __call__(
    self,
    params: hk.Params,
    elements: Array,
    sets: Sets,
    *,
    is_training: bool = False,
    key: Array | None = None,
  ) -> Aggregate:
    """Returns one vector per set, with its auxiliary loss and diagnostics.

    Args:
      params: As `Init` makes them.
      elements: [N, D], sorted by set.
      sets: Which set each element belongs to.
      is_training: Whether this is a training step.
      key: A JAX key, for a readout that draws in training.
    """
    return self.transformed().apply(params, key, elements, sets, is_training)


class PureReadout(NamedTuple):
  """A readout as two pure functions.

  Those of two readouts of the same name and arguments are equal, so that a
  compiled program takes one for the other.

  Attributes:
    init: (key, elements [N, D], sets) -> parameters.
    apply: (parameters, elements [N, D], sets, is_training=False, key=None) ->
      `Aggregate`.
  """

  init: Init
  apply: Apply


def readout(name: str, **arguments: Any) -> PureReadout:
  """Returns a readout by name, as two pure functions.

  Args:
    name: Name of a readout in any table of `gnn_readout.readouts`.
    **arguments: `output_size` and the readout's own, which
      `python -m launch.readouts NAME` lists.

  Raises:
    ValueError: If the name or an argument is unknown, or a value cannot be.
  """
  hk.transform(lambda: make_readout(name, **arguments)).init(None)
  return PureReadout(Init(name, arguments), Apply(name, arguments))


def example(width: int) -> tuple[Array, Sets]:
  """Returns one set of one element, [1, D], to initialise a readout by."""
  row, no_edge = jnp.zeros(1, jnp.int32), jnp.zeros(1, bool)
  sets = make_sets(jnp.ones(1, jnp.int32), 1)
  sets = dataclasses.replace(sets, edges=Edges(row, row, no_edge))
  return jnp.zeros((1, width)), sets


def draws(apply: Apply, params: hk.Params, width: int) -> bool:
  """Returns whether a readout draws random numbers in training.

  Args:
    apply: The function `apply` of a `PureReadout`.
    params: Its parameters.
    width: D.
  """

  def train(key: Array) -> Aggregate:
    return apply(params, *example(width), is_training=True, key=key)

  program = jax.make_jaxpr(train)(jax.random.key(0)).jaxpr
  (key,) = program.invars
  return any(key is x for equation in program.eqns for x in equation.invars)
