"""Records of the tasks that draw their own examples, summed up.

Their records are results/records/tasks/*.json. Those that differ in nothing but
the seed and the learning rate are one row, a `Summary`: of the learning rates
the one with the best mean validation score over the seeds counts.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gnn_readout.records import NUMBER, Fields, Record, read_folder_of

_FIELDS: Fields = {
  "schema_version": int,
  "name": str,
  "command": str,
  "task": str,
  "config.model.readout.name": str,
  "config.optimizer.learning_rate": NUMBER,
  "seed": int,
  "num_parameters": int,
  "steps": int,
  "curves.train": list,
  "curves.valid": list,
  "curves.diagnostics": dict,
  "best": (dict, type(None)),  # Null if the run failed before it was scored.
  "test": (dict, type(None)),
  "lower_is_better": bool,
  "failure": str,
  "wall_seconds": NUMBER,
  "num_members": int,
  "note": str,
}


class Summary(NamedTuple):
  """All runs of one configuration, whatever seed and learning rate.

  Attributes:
    label: The readout, with 'squared' where Equilibrium Aggregation squares a
      single output.
    width: D, what a set is pooled to; None where the config has no such field.
    learning_rate: The one that counts.
    runs: Its runs that have a score, sorted by seed.
    failed: How many runs of any learning rate were given up.
    mean: Of the test scores of `runs`.
    deviation: Their sample standard deviation, None for a single one.
    best: The run of the best validation score.
  """

  label: str
  width: int | None
  learning_rate: float
  runs: list[Record]
  failed: int
  mean: float
  deviation: float | None
  best: Record


class Length(NamedTuple):
  """For how long a row was trained."""

  steps: int
  batch_size: int
  schedule: str


def read_records(
  results_dir: str | os.PathLike[str], task: str
) -> list[Record]:
  """Reads and checks the records of a task, in the order of their files.

  Args:
    results_dir: The folder that holds `records`.
    task: Such as 'median'.

  Raises:
    ValueError: If a file is not a record of a task.
  """
  folder = pathlib.Path(results_dir, "records", "tasks")
  records = read_folder_of(folder, _FIELDS).values()
  return [record for record in records if record["task"] == task]


def summaries(records: Iterable[Record]) -> list[Summary]:
  """Summarises the records of a task, sorted by label, width and steps.

  A learning rate with a run that failed counts only if there is no other.

  Args:
    records: As `read_records` returns them, in any order.

  Raises:
    ValueError: If two records are the same run with the same seed.
  """
  groups: dict[str, list[Record]] = {}
  for record in records:
    groups.setdefault(_configuration(record), []).append(record)
  rows = [_summary(group) for group in groups.values()]
  rows = [row for row in rows if row is not None]
  return sorted(
    rows, key=lambda row: (row.label, row.width or 0, row.best["steps"])
  )


def mean_valid(runs: Sequence[Record]) -> float:
  """Returns the mean over runs of the best validation score."""
  return statistics.fmean(run["best"]["valid"] for run in runs)


def rank(row: Summary) -> float:
  """Sorts the best validation score first."""
  sign = 1 if row.best["lower_is_better"] else -1
  return sign * mean_valid(row.runs)


def length(row: Summary) -> Length:
  """Returns for how long a row was trained."""
  config = row.best["config"]
  schedule = config["optimizer"].get("schedule", "constant")
  return Length(row.best["steps"], config.get("batch_size", 0), schedule)


def _configuration(record: Record) -> str:
  """Everything but seed and learning rate that decides a result."""
  config = {
    key: value
    for key, value in record["config"].items()
    if key not in ("seed", "note")
  }
  config["optimizer"] = config["optimizer"] | {"learning_rate": None}
  return json.dumps(config, sort_keys=True)


def _summary(group: Sequence[Record]) -> Summary | None:
  """One row from the runs of one configuration; None if none has a score."""
  rates: dict[float, list[Record]] = {}
  for record in sorted(group, key=lambda record: record["seed"]):
    rate = record["config"]["optimizer"]["learning_rate"]
    rates.setdefault(rate, []).append(record)
  for runs in rates.values():
    for first, second in itertools.pairwise(runs):
      if first["seed"] == second["seed"]:
        raise ValueError(
          f"records {first['name']!r} and {second['name']!r} are the same run"
          f" with the same seed {first['seed']}; keep one of them"
        )
  sign = 1 if group[0]["lower_is_better"] else -1

  def rank(rate: float) -> tuple[int, float]:
    runs = rates[rate]
    scored = [run for run in runs if run["test"]]
    worst = sign * mean_valid(scored) if scored else math.inf
    return sum(bool(run["failure"]) for run in runs), worst

  rate = min(rates, key=rank)
  runs = [run for run in rates[rate] if run["test"]]
  if not runs:
    return None
  values = [run["test"]["value"] for run in runs]
  model = group[0]["config"]["model"]
  squares = model["readout"].get("square_reduction", "none") != "none"
  return Summary(
    label=model["readout"]["name"] + ", squared" * squares,
    width=model.get("width"),
    learning_rate=rate,
    runs=runs,
    failed=sum(bool(record["failure"]) for record in group),
    mean=statistics.fmean(values),
    deviation=statistics.stdev(values) if len(values) > 1 else None,
    best=min(runs, key=lambda run: sign * run["best"]["valid"]),
  )
