"""Readouts: one vector from the elements of each set.

`READOUTS` is the table of all of them and `make_readout` the way in. A new
readout is a file here, a row there, and a test of what only it promises.
"""

from __future__ import annotations

from gnn_readout.errors import suggest
from gnn_readout.readouts.attention import Attention
from gnn_readout.readouts.base import Aggregate, Readout
from gnn_readout.readouts.equilibrium import EquilibriumAggregation
from gnn_readout.readouts.max import Max
from gnn_readout.readouts.mean import Mean
from gnn_readout.readouts.pna import PNA
from gnn_readout.readouts.sum import Sum

READOUTS: dict[str, type[Readout]] = {
  "attention": Attention,
  "equilibrium": EquilibriumAggregation,
  "max": Max,
  "mean": Mean,
  "pna": PNA,
  "sum": Sum,
}


def readout_class(name: str) -> type[Readout]:
  """Returns the class of a readout.

  Raises:
    ValueError: if no readout has this name; names the nearest.
  """
  if name not in READOUTS:
    raise ValueError(f"Unknown readout {name!r}.{suggest(name, READOUTS)}")
  return READOUTS[name]


def make_readout(
  name: str, output_size: int | None = None, **kwargs
) -> Readout:
  """Returns a readout by name, inside a Haiku transform.

  Args:
    name: A key of `READOUTS`.
    output_size: D_out, or None for the readout's natural width.
    **kwargs: Arguments of the readout's own.

  Raises:
    ValueError: if the name or an argument is unknown.
  """
  make = readout_class(name)
  arguments = make.arguments()
  for key in kwargs:
    if key not in arguments:
      raise ValueError(
        f"Readout {name!r} takes no argument {key!r}.{suggest(key, arguments)}"
      )
  return make(output_size=output_size, **kwargs)


__all__ = [
  "READOUTS",
  "Aggregate",
  "EquilibriumAggregation",
  "Readout",
  "make_readout",
  "readout_class",
]
