"""Figures of speed: which there are to be, and what their records say.

A figure is a benchmark and its arguments. Its record is known by both, and by
the device that it was measured on.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gnn_readout import programs
from gnn_readout.records import Record

Arguments = tuple[str, ...]

# What does not decide what is measured, but how often or where.
_HOW = ("--rounds=", "--json", "--record", "--despite_load")
_MOLECULES = "ogbg-molhiv"
_PYG = ("--against=pyg", "--against=pyg_compiled")


class Figure(NamedTuple):
  """A benchmark of which there is to be a record for every device.

  Attributes:
    arguments: Arguments of `launch.benchmark`, in the order of its command.
    datasets: Names of the datasets that it needs.
  """

  arguments: Arguments
  datasets: tuple[str, ...]

  @property
  def command(self) -> str:
    """What measures it, without a record."""
    return shlex.join(["python", "-m", "launch.benchmark", *self.arguments])


class Device(NamedTuple):
  """What something was measured on."""

  platform: str
  name: str
  cores: int

  def words(self) -> tuple[str, ...]:
    """Returns it as it stands in the names of files."""
    return (self.platform, self.name, f"{self.cores}")


def _molecules(model: str, *more: str) -> Figure:
  config = f"--config=configs/molpcba.py:{model}"
  return Figure(("train", config, *_PYG, *more), (_MOLECULES,))


def _sets(config: str, *more: str) -> Figure:
  batch = "--config.batch_size=64"
  return Figure(("sets", f"--config=configs/{config}", *more, batch), ())


def _tu(name: str, readout: str) -> Figure:
  config = f"--config=configs/tu.py:{name},{readout}"
  return Figure(("train", config, *_PYG), (f"tu/{name}",))


FIGURES: dict[str, Figure] = {
  "gcn_8": _molecules("gcn,sum", "--config.batching.batch_size=8"),
  "gcn_32": _molecules("gcn,sum", "--config.batching.batch_size=32"),
  "gin_8": _molecules("gin,sum", "--config.batching.batch_size=8"),
  "gin_32": _molecules("gin,sum", "--config.batching.batch_size=32"),
  # At both of these batch sizes.
  "equilibrium": Figure(
    ("readout", "equilibrium", *_PYG, "--against=literal"), (_MOLECULES,)
  ),
  "mutag": _tu("MUTAG", "sum"),
  "imdb_binary": _tu("IMDB-BINARY", "mean"),
  "collab": _tu("COLLAB", "mean"),
  "reddit_binary": _tu("REDDIT-BINARY", "mean"),
  "optimal_transport": Figure(
    (
      "train",
      "--config=configs/molpcba.py:gcn,optimal_transport",
      "--against=sum",
    ),
    (_MOLECULES,),
  ),
  "dspn": _sets("set_prediction.py:polygons,dspn"),
  "sorting": _sets(
    "sorting.py:po_u", "--config.set_size=120", "--config.chunk_size=4"
  ),
  "population": Figure(
    ("population", "--config=configs/tu.py:MUTAG,sum"), ("tu/MUTAG",)
  ),
  "data": Figure(("data",), (_MOLECULES,)),
  "inner_steps": Figure(("inner_steps",), (_MOLECULES,)),
  "readouts": Figure(("readouts", "--against=pyg"), (_MOLECULES,)),
  "readout_card": Figure(("readout_card",), (_MOLECULES, "tu/REDDIT-BINARY")),
}


def arguments(command: str) -> Arguments:
  """Returns what a command measures, however often.

  Args:
    command: Command of a record.
  """
  words = shlex.split(programs.name_of(command))[1:]
  return tuple(word for word in words if not word.startswith(_HOW))


def device_of(record: Mapping[str, Any]) -> Device:
  """Returns what a record, or an environment, is of."""
  hardware = record["hardware"]
  return Device(hardware["platform"], hardware["device"], hardware["cpu_count"])


def find(
  records: Iterable[Record], arguments_: Arguments, device: Device
) -> Record | None:
  """Returns the newest record of a benchmark on a device; None for none.

  Args:
    records: Records of benchmarks.
    arguments_: As `arguments` returns them.
    device: As `device_of` returns it.
  """
  found = [
    record
    for record in records
    if arguments(record["command"]) == arguments_
    and device_of(record) == device
  ]
  return max(found, key=lambda record: record["finished_at"], default=None)


def is_measured(
  record: Record | None, environment: Mapping[str, Any], rounds: int
) -> bool:
  """Returns whether a record is of this code, with as many rounds.

  Args:
    record: As `find` returns it.
    environment: `versions` and `code` of what would be measured.
    rounds: Number of rounds that it would have.
  """
  return (
    record is not None
    and record.get("code") == environment["code"]
    and record["versions"] == environment["versions"]
    and record.get("rounds", 0) >= rounds
  )


def rates(record: Mapping[str, Any]) -> list[dict[str, Any]]:
  """Returns the rows of a record that have a rate of ours, and its spread."""
  return [row for row in record["rows"] if "ours" in row and "iqr" in row]


def slower(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
  """Returns a line for each rate that fell by more than its spread.

  That is the larger of the two interquartile ranges.

  Args:
    before: The record before, of the same benchmark and device.
    now: What was measured.
  """
  old = {_key(row): row for row in rates(before)}
  lines = {}
  for row in rates(now):
    if (last := old.get(_key(row))) is None:
      continue
    spread = max(side["iqr"]["ours"] for side in (last, row))
    if row["ours"] < last["ours"] - spread:
      lines[_key(row)] = (
        f"{label(row)}: {row['ours']:,.0f} {row['unit']}, it was"
        f" {last['ours']:,.0f} and the spread is {spread:,.0f}"
      )
  return list(lines.values())


def label(row: Mapping[str, Any]) -> str:
  """Returns what a row is about, such as `gcn,sum, batch 8, ogbg-molhiv`."""
  batch = row.get("batch_size")
  words = [row["name"], batch and f"batch {batch}", row.get("dataset")]
  return ", ".join(word for word in words if word)


def _key(row: Mapping[str, Any]) -> Sequence[Any]:
  """What the rows of one thing against several peers have in common."""
  return row["name"], row.get("batch_size"), row.get("dataset")
