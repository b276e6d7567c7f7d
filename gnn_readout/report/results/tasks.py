"""What a table or a figure says of the runs of a task that draws its examples.

Runs that differ in nothing but the seed and the learning rate are one row, a
`Selection`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gnn_readout.records import Record, field
from gnn_readout.report.results.selection import Selection, select


class Length(NamedTuple):
  """How long a row was trained."""

  steps: int
  batch_size: int
  schedule: str


def rows(records: Iterable[Record], task: str) -> list[Selection]:
  """Returns the rows of a task, sorted by label, width and steps.

  Args:
    records: Records of all kinds, in any order.
    task: Task, such as 'median'.
  """
  found = select(r for r in records if r.get("problem") == task)
  return sorted(
    found, key=lambda row: (label(row), width(row) or 0, row.record["steps"])
  )


def label(row: Selection) -> str:
  """Returns the readout, or the name of a model without one.

  With 'squared' where a single output is squared.
  """
  model = row.record["config"]["model"]
  if "readout" not in model:
    return model["name"]
  readout = model["readout"]
  squares = readout.get("square_reduction", "none") != "none"
  return readout["name"] + ", squared" * squares


def width(row: Selection) -> int | None:
  """Returns D, what a set is pooled to; None where there is no such field."""
  return field(row.record, "model.width")


def length(row: Selection) -> Length:
  """Returns for how long a row was trained."""
  config = row.record["config"]
  schedule = config["optimizer"].get("schedule", "constant")
  return Length(row.record["steps"], config.get("batch_size", 0), schedule)
