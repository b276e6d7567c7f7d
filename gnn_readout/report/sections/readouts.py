"""The card of every readout: what it is, what it costs, what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Table
from gnn_readout.wording import counted

_TOLERANCE = 1e-3  # Of float32 values, relative to the largest.
# What a reader sees of a check, by its name in the records.
_CHECKS = {"order": "order", "company": "batch", "padding": "padding"}


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the card from the newest record of the benchmark.

  Raises:
    ValueError: If the record lacks a field.
  """
  record = newest(records)
  if record is None:
    return []
  try:
    return _blocks(record)
  except KeyError as error:
    raise _lacking(record, error) from error


def newest(records: Sequence[Record]) -> Record | None:
  """Returns the newest record of the benchmark, None if there is none."""
  measured = [r for r in records if r.get("benchmark") == "readout_card"]
  return max(measured, key=lambda r: r["finished_at"], default=None)


def costs(record: Record) -> dict[str, float]:
  """Returns how long each readout's gradient takes, relative to `sum`.

  Args:
    record: From `newest`.

  Raises:
    ValueError: If the record lacks a field.
  """
  try:
    times = {row["name"]: row["training"] for row in record["rows"]}
    return {name: time / times["sum"] for name, time in times.items()}
  except KeyError as error:
    raise _lacking(record, error) from error


def _lacking(record: Record, error: KeyError) -> ValueError:
  return ValueError(
    f"record {record['name']!r}: field {error} is missing; measure again by:"
    f" {record['command']}"
  )


def _blocks(record: Record) -> list[Block]:
  rows, hardware = record["rows"], record["hardware"]
  given, large = record["given"], record["large"]
  base = next(row for row in rows if row["name"] == "sum")
  device = hardware["device"]
  if hardware["platform"] == "cpu":
    device = f"{counted(hardware['cpu_count'], 'core')} ({device})"
  return [
    "Every readout of the table `READOUTS` is measured by itself, with its"
    f" default arguments, on {given['graphs']} graphs of {given['dataset']} at"
    f" width {given['width']} in {given['dtype']}. Times are relative to"
    f" `sum`, which takes {base['forward']:.1f} µs forward and"
    f" {base['training']:.1f} µs for the gradient per molecule on {device},"
    f" jax {record['versions']['jax']}. `MiB` is the memory that the gradient"
    " needs besides its arguments and results; `large, MiB` is the same for"
    f" {large['graphs']} graphs of {large['dataset'].removeprefix('tu/')} at"
    f" width {large['width']}, with {large['nodes']:,} nodes in all and"
    f" {large['largest']:,} in the largest graph. `checked` lists what leaves"
    f" the values unchanged, up to {_TOLERANCE:g} of the largest value:"
    " another order of the elements (order), other sets in the batch (batch),"
    " and more padding, filled with NaN (padding). The contract tests check"
    " the same and more in double precision. The command was"
    f" {markup.code(record['command'])}.",
    Table("Readouts by themselves", [_cells(row, base) for row in rows]),
  ]


def _cells(row: dict[str, Any], base: dict[str, Any]) -> dict[str, str]:
  checked = [_CHECKS[k] for k, v in row["deviations"].items() if v < _TOLERANCE]
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
