"""Every readout as an `equinox.Module`; needs Equinox, `.[equinox]`."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jax import Array

from gnn_readout import functional
from gnn_readout.graphs import Sets
from gnn_readout.readouts import Aggregate


class Readout(eqx.Module):
  """A readout; `equinox.nn.inference_mode` switches its training off.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from gnn_readout import equinox, graphs
    >>> pool = equinox.Readout("attention", 8, key=jax.random.key(0))
    >>> sets = graphs.make_sets(jnp.array([3, 0, 2]), 5)
    >>> pool(jnp.ones((5, 8)), sets, inference=True).values.shape
    (3, 8)

  Attributes:
    params: The readout's parameters, as Haiku keeps them.
    inference: Whether it is not in training.
  """

  params: dict[str, dict[str, Array]]
  inference: bool
  _apply: functional.Apply = eqx.field(static=True)

  def __init__(
    self,
    name: str,
    width: int,
    *,
    key: Array,
    inference: bool = False,
    **arguments: Any,
  ):
    """Creates the readout and its parameters.

    Args:
      name: Name of a readout in any table of `gnn_readout.readouts`.
      width: D, of the elements.
      key: A JAX key.
      inference: Whether it is not in training, unless a call says otherwise.
      **arguments: `output_size` and the readout's own.

    Raises:
      ValueError: As `functional.readout`.
    """
    init, self._apply = functional.readout(name, **arguments)
    self.params = jax.jit(init)(key, *functional.example(width))
    self.inference = inference

  def __call__(
    self,
    elements: Array,
    sets: Sets,
    *,
    key: Array | None = None,
    inference: bool | None = None,
  ) -> Aggregate:
    """Aggregates each set.

    Args:
      elements: [N, D], sorted by set.
      sets: Which set each element belongs to.
      key: A JAX key, for a readout that draws in training.
      inference: Takes the place of the attribute.
    """
    training = not (self.inference if inference is None else inference)
    given = self.params, elements, sets
    return self._apply(*given, is_training=training, key=key)
