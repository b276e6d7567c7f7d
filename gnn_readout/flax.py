"""Every readout as a module of Flax, NNX and Linen; needs Flax, `.[flax]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from flax import linen, nnx
from jax import Array

from gnn_readout import functional
from gnn_readout.graphs import Sets
from gnn_readout.readouts import Aggregate


class Readout(nnx.Module):
  """A readout of NNX; `eval()` switches its training off, `train()` on."""

  def __init__(
    self, name: str, width: int, *, rngs: nnx.Rngs, **arguments: Any
  ):
    """Creates the readout and its parameters.

    Args:
      name: Name of a readout in any table of `gnn_readout.readouts`.
      width: D, of the elements.
      rngs: The stream `params` is drawn from here, and `dropout` in training by
        a readout that draws.
      **arguments: `output_size` and the readout's own.

    Raises:
      ValueError: As `functional.readout`.
    """
    init, self._apply = functional.readout(name, **arguments)
    params = jax.jit(init)(rngs.params(), *functional.example(width))
    draws = functional.draws(self._apply, params, width)
    self.params = nnx.data(jax.tree.map(nnx.Param, params))
    self.rngs = nnx.data(rngs["dropout"].fork() if draws else None)
    self.deterministic = False

  def __call__(
    self, elements: Array, sets: Sets, *, deterministic: bool | None = None
  ) -> Aggregate:
    """Aggregates each set of elements [N, D], which are sorted by set."""
    if deterministic is None:
      deterministic = self.deterministic
    key = None if deterministic or self.rngs is None else self.rngs()
    params = nnx.pure(self.params)
    training = not deterministic
    return self._apply(params, elements, sets, is_training=training, key=key)


class LinenReadout(linen.Module):
  """A readout of Linen, whose stream of random numbers is `dropout`.

  Attributes:
    readout: The name of one in any table of `gnn_readout.readouts`.
    arguments: `output_size` and the readout's own.
  """

  readout: str
  arguments: Mapping[str, Any] | None = None

  @linen.compact
  def __call__(
    self, elements: Array, sets: Sets, is_training: bool = False
  ) -> Aggregate:
    """Aggregates each set of elements [N, D], which are sorted by set."""
    init, apply = functional.readout(self.readout, **(self.arguments or {}))
    example = functional.example(elements.shape[-1])
    params = self.param("readout", init, *example)
    draws = is_training and self.has_rng("dropout")
    key = self.make_rng("dropout") if draws else None
    return apply(params, elements, sets, is_training=is_training, key=key)
