"""How fast it is, by device: against the peers, and what a first step takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import speed
from gnn_readout.report.results.speed import Device
from gnn_readout.wording import counted

COMMAND = "python -m launch.benchmark all --record"
_PEERS = {
  "literal": "the paper's listing in JAX",
  "pyg": "PyTorch Geometric",
  "pyg_compiled": "PyTorch Geometric, compiled",
}
_VERSIONS = ("jax", "torch", "torch-geometric")
_NONE = "—"

Row = Mapping[str, Any]


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the tables of every device of which there is a rate.

  Raises:
    ValueError: If a record lacks a field.
  """
  measured = [
    record
    for record in records
    if record["kind"] == "benchmark" and speed.rates(record)
  ]
  if not measured:
    return []
  devices = sorted({speed.device_of(record) for record in measured})
  blocks: list[Block] = [
    "Medians and interquartile ranges of rounds in which all sides take turns"
    " in one process, in single precision. Before a benchmark and while it runs"
    " the use of the CPU by other programs is measured: where they disturb it,"
    " there is no record. The ratio is that of our rate to the peer's. PyTorch"
    " has as many threads as are the fastest for it."
    f" Made by {markup.code(COMMAND)}."
  ]
  everything = [r for r in records if r["kind"] == "benchmark"]
  for device in devices:
    own = [r for r in _newest(everything) if speed.device_of(r) == device]
    try:
      blocks += _of_device(device, own)
    except KeyError as error:
      raise ValueError(
        f"a record of {device.name!r} has no field {error}; measure again:"
        f" {COMMAND}"
      ) from error
  return blocks


def _newest(records: Sequence[Record]) -> list[Record]:
  """The newest record of each benchmark and device, those of figures first."""
  newest: dict[Any, Record] = {}
  for record in sorted(records, key=lambda record: record["finished_at"]):
    key = speed.arguments(record["command"]), speed.device_of(record)
    newest[key] = record
  order = [figure.arguments for figure in speed.FIGURES.values()]

  def place(key: Any) -> Any:
    words = key[0]
    rank = order.index(words) if words in order else len(order)
    return rank, words

  return [newest[key] for key in sorted(newest, key=place)]


def _of_device(device: Device, records: Sequence[Record]) -> list[Block]:
  name = device.name
  if device.platform == "cpu":
    name = f"{counted(device.cores, 'core')} ({device.name})"
  by_kind: dict[str, list[Row]] = {}
  for record in records:
    facts = {"rounds": record.get("rounds"), "commit": _commit(record)}
    rows = [{**row, **facts} for row in speed.rates(record)]
    by_kind.setdefault(record["benchmark"], []).extend(rows)
  readouts = by_kind.pop("readouts", [])
  steps = by_kind.pop("inner_steps", [])
  rest = [row for rows in by_kind.values() for row in rows]
  compared = [row for row in rest if "against" in row]
  first = [row for row in (*rest, *steps) if "first_step_seconds" in row]
  loading = [record for record in records if "cold_seconds" in record]
  tables = [
    Table(f"Against peers, {name}", [_compared(row) for row in compared]),
    Table(f"Readouts by themselves, {name}", _readouts(readouts)),
    Table(f"The inner loop of equilibrium, {name}", [_step(x) for x in steps]),
    Table(f"The first step, {name}", _first_steps(first)),
    Table(f"Products, {name}", _products(rest)),
    Table(f"Opening a dataset, {name}", [_loading(x) for x in loading]),
  ]
  return [
    f"**{name}**, {device.platform}: {_versions(records)}.",
    *(table for table in tables if table.rows),
    *_became_slower(records),
    *_not_measured(device, records),
  ]


def _versions(records: Sequence[Record]) -> str:
  """The versions of what was compared, as many as the records have."""
  texts = []
  for package in _VERSIONS:
    found = sorted({r["versions"].get(package, "") for r in records} - {""})
    if found:
      texts.append(f"{package} {' and '.join(found)}")
  return ", ".join(texts)


def _commit(record: Record) -> str:
  commit = (record["git_commit"] or _NONE)[:9]
  return f"{commit}, changed" if record["git_dirty"] else commit


def _rate(row: Row, side: str) -> str:
  return f"{row[side]:,.0f} ± {row['iqr'][side]:,.0f}"


def _peer(name: str) -> str:
  return _PEERS.get(name, name)


def _ratio(row: Row) -> str:
  return f"{row['ratio']:.2f}x" if "ratio" in row else _NONE


def _compared(row: Row) -> dict[str, str]:
  return {
    "what": speed.label(row),
    "ours": f"{_rate(row, 'ours')} {row['unit']}",
    "against": _peer(row["against"]),
    "peer": _rate(row, "peer") if "peer" in row else row["unavailable"],
    "ratio": _ratio(row),
    "rounds": str(row["rounds"] or _NONE),
    "commit": row["commit"],
  }


def _readouts(rows: Sequence[Row]) -> list[dict[str, str]]:
  """A line for each readout: what is passed forward, and the gradient."""
  table: dict[str, dict[str, str]] = {}
  for row in rows:
    kind = {"forward": "forward", "training": "gradient"}[row["kind"]]
    line = table.setdefault(row["readout"], {"readout": f"`{row['readout']}`"})
    line[f"{kind}, {row['unit']}"] = _rate(row, "ours")
    line[f"{kind}, {_peer(row['against'])}"] = _rate(row, "peer")
    line[f"{kind}, ratio"] = _ratio(row)
  return list(table.values())


def _step(row: Row) -> dict[str, str]:
  paper = row["paper"]
  return {
    "inner steps": row["name"],
    "ms per step": f"{row['milliseconds']:.1f}",
    "relative to `sum`": f"{row['times_sum']:.2f}",
    "in the paper": _NONE if paper is None else f"{paper:.2f}",
    "commit": row["commit"],
  }


def _first_steps(rows: Sequence[Row]) -> list[dict[str, str]]:
  """A line for each model and batch size, however many peers it has."""
  table = {
    speed.label(row): {
      "what": speed.label(row),
      "first step, compiled anew, s": f"{row['first_step_seconds']:.1f}",
      "memory besides its arguments, MiB": f"{row['mebibytes']:,.0f}",
    }
    for row in rows
  }
  return list(table.values())


def _products(rows: Sequence[Row]) -> list[dict[str, str]]:
  """How near the products of a step come to those by themselves."""
  table = {
    speed.label(row): {
      "what": speed.label(row),
      "in a training step, GFLOP/s": f"{row['gflops']:.0f}",
      "of that size by themselves, GFLOP/s": f"{row['matrix_gflops']:.0f}",
    }
    for row in rows
    if "gflops" in row
  }
  return list(table.values())


def _loading(record: Record) -> dict[str, str]:
  return {
    "dataset": record["dataset"],
    "converted, s": f"{record['cold_seconds']:.2f}",
    "opened again, s": f"{record['warm_seconds']:.2f}",
    "peak memory, MB": f"{record['peak_megabytes']:,.0f}",
    "columns, MB": f"{record['column_megabytes']:,.0f}",
  }


def _became_slower(records: Sequence[Record]) -> list[str]:
  lines = [line for record in records for line in record.get("slower", [])]
  if not lines:
    return []
  return [
    "These rates fell by more than their spread since the last record of this"
    f" device: {'; '.join(lines)}."
  ]


def _not_measured(device: Device, records: Sequence[Record]) -> list[str]:
  missing = [
    name
    for name, figure in speed.FIGURES.items()
    if speed.find(records, figure.arguments, device) is None
  ]
  if not missing:
    return []
  only = f"{COMMAND} --only={','.join(missing)}"
  return [f"No record yet on this device: {markup.code(only)}."]
