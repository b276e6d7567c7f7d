"""The card of every readout: what it is, what it costs, what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Table

_TOLERANCE = 1e-3  # Of float32 values, relative to the largest.


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the card from the newest record of the benchmark.

  Raises:
    ValueError: If the record lacks a field.
  """
  measured = [r for r in records if r.get("benchmark") == "readout_card"]
  if not measured:
    return []
  record = max(measured, key=lambda record: record["finished_at"])
  try:
    return _blocks(record)
  except KeyError as error:
    raise ValueError(
      f"record {record['name']!r}: field {error} is missing; measure again:"
      f" {record['command']}"
    ) from error


def _blocks(record: Record) -> list[Block]:
  rows, hardware = record["rows"], record["hardware"]
  given, large = record["given"], record["large"]
  base = next(row for row in rows if row["name"] == "sum")
  device = hardware["device"]
  if hardware["platform"] == "cpu":
    device = f"{hardware['cpu_count']} cores ({device})"
  return [
    f"Every readout of the table `READOUTS`, by itself: {given['graphs']}"
    f" graphs of {given['dataset']}, {given['width']} wide,"
    f" {given['dtype']}, default arguments. Times are relative to"
    f" `sum`, which takes {base['forward']:.1f} µs forward and"
    f" {base['training']:.1f} µs for the gradient per molecule on {device}, jax"
    f" {record['versions']['jax']}; memory is what the gradient needs besides"
    f" its arguments and results, and 'large' the same for {large['graphs']}"
    f" graphs of {large['dataset'].removeprefix('tu/')}, {large['width']} wide,"
    f" {large['nodes']:,} nodes in all and"
    f" {large['largest']:,} in the largest: no readout lays sets out side by"
    f" side. Checked: the values stay the same, to {_TOLERANCE:g} of the"
    " largest, when the elements of a set change places (order), when a set is"
    " alone in its batch (company), and when there is more padding, filled with"
    " NaN (padding). The contract tests check the same and more in double"
    " precision."
    f" Made by {markup.code(record['command'])}.",
    Table("Readouts by themselves", [_cells(row, base) for row in rows]),
  ]


def _cells(row: dict[str, Any], base: dict[str, Any]) -> dict[str, str]:
  checked = [k for k, v in row["deviations"].items() if v < _TOLERANCE]
  return {
    "readout": f"`{row['name']}`",
    "formula": row["formula"],
    "parameters": f"{row['parameters']:,}",
    "forward": f"{row['forward'] / base['forward']:.1f}",
    "gradient": f"{row['training'] / base['training']:.1f}",
    "MiB": f"{row['mebibytes']:.0f}",
    "large, MiB": f"{row['large_mebibytes']:.0f}",
    "checked": ", ".join(checked),
    "reduces to": row["reduces_to"],
    "reference": row["reference"],
  }
