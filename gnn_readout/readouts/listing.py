"""Descriptions of the readouts, made from their classes."""

from __future__ import annotations

import inspect

from gnn_readout.readouts import (
  OF_GRAPHS,
  ORDER_DEPENDENT,
  READOUTS,
  readout_class,
)
from gnn_readout.readouts.base import FAMILIES


def families() -> dict[str, list[str]]:
  """Returns the names of all readouts, by family."""
  table = READOUTS | ORDER_DEPENDENT | OF_GRAPHS
  return {
    family: [name for name in table if table[name].family == family]
    for family in FAMILIES
  }


def markdown() -> str:
  """Returns the table of README.md."""
  rows = [
    f"| {family} | {' '.join(f'`{name}`' for name in names)} |"
    for family, names in families().items()
  ]
  return "\n".join(["| family | names |", "| --- | --- |", *rows])


def describe(name: str) -> str:
  """Returns what a readout is, and how its arguments are set in a config.

  Raises:
    ValueError: if no readout has this name; names the nearest.
  """
  readout = readout_class(name)
  lines = [inspect.getdoc(readout) or "", ""]
  for argument, (kind, default) in readout.arguments().items():
    kind = kind.__name__ if isinstance(kind, type) else str(kind)
    lines.append(
      f"--config.model.readout.{argument}={default}"
      f"  ({kind.replace('collections.abc.', '')})"
    )
  return "\n".join([*lines, "", inspect.getdoc(readout.__init__) or ""])
