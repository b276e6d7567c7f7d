"""Several readouts of the same sets, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

# For use when called: the table, which holds the class below, is not yet made.
from gnn_readout import readouts
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Aggregate, Readout


class Multi(Readout):
  """y = [f_1(X), ..., f_K(X)] for any readouts f_k of the table.

  With one member it is that member. With `output_size` a linear map of the
  concatenation follows: PyTorch Geometric's MultiAggregation in the modes 'cat'
  and 'proj'. Auxiliary losses add up.

  Arguments that are otherwise measured on the data, such as PNA's delta, have
  to be given here.

  Reference: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph
  Nets", section 2.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> members = ["sum", {"name": "attention", "num_heads": 2}]
    >>> pool = hk.transform(lambda: Multi(members)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 8)
  """

  family = "combinations"
  reduces_to = "its member, if it has one"
  carries_faults = True

  def __init__(
    self,
    members: Sequence[str | Mapping[str, Any]] = ("mean", "max", "min", "std"),
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      members: Each the name of a readout, or a mapping of `name` and the
        arguments of `make_readout`. They may be `multi` again.
      output_size: D_out, or None for the sum of the members' widths.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there is no member, or one has no name or an unknown one.
    """
    super().__init__(output_size, name)
    if isinstance(members, str) or not members:
      raise ValueError(
        f"members must be a sequence of at least one readout, got {members!r}."
      )
    self._members = [
      {"name": member} if isinstance(member, str) else dict(member)
      for member in members
    ]
    for member in self._members:
      if "name" not in member:
        raise ValueError(f"members must each have a name, got {member}.")
      readouts.readout_class(member["name"])

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D_1 + ... + D_K], the summed losses, and all the rest."""
    # Haiku numbers modules of the same name: each member has its parameters.
    results = [
      readouts.make_readout(**member)(elements, sets, is_training)
      for member in self._members
    ]
    weights = [x.weights for x in results if x.weights is not None]
    return Aggregate(
      jnp.concatenate([result.values for result in results], axis=1),
      sum(result.aux_loss for result in results),
      {
        f"{member['name']}_{k}_{label}": value
        for k, (member, result) in enumerate(
          zip(self._members, results, strict=True)
        )
        for label, value in result.diagnostics.items()
      },
      jnp.concatenate(weights, axis=1) if weights else None,
    )
