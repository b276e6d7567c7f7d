"""From run records to tables; nothing else goes in.

A record is one JSON file in results/records/, written once by a finished run.
Runs that differ in nothing but the seed become one row.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import operator
import os
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gnn_readout import files
from gnn_readout.report import paper

SCHEMA_VERSION = 1  # The newest record format this program reads.

Record = dict[str, Any]

# Every field a record must have, and its type; a dot goes one level down.
_NUMBER = (int, float)
_FIELDS: dict[str, type | tuple[type, ...]] = {
  "schema_version": int,
  "name": str,
  "command": str,
  "config": dict,
  "config.model.message_passing.name": str,
  "config.model.message_passing.width": int,
  "config.model.readout.name": str,
  "config.optimizer.learning_rate": _NUMBER,
  "config_hash": str,
  "git_commit": (str, type(None)),  # null outside a repository
  "git_dirty": (bool, type(None)),
  "versions": dict,
  "hardware": dict,
  "seed": int,
  "dataset.name": str,
  "dataset.fingerprint": str,
  "dataset.num_train": int,
  "dataset.num_valid": int,
  "dataset.num_test": int,
  "num_parameters": int,
  "steps": int,
  "epochs": _NUMBER,
  "curves": dict,
  "best.step": int,
  "best.valid": _NUMBER,
  "test.metric": str,
  "test.value": _NUMBER,
  "test.num_tasks_scored": int,
  "test.step": int,
  "wall_seconds": _NUMBER,
  "steps_per_second": _NUMBER,
  "graphs_per_second": _NUMBER,
  "padding": dict,
  "num_compiled_shapes": int,
  "finished_at": str,
  "note": str,
}

# Config fields that leave the result as it is: no reason for another row.
_WITHOUT_EFFECT = ("seed", "log_every", "checkpoint_every", "eval_batch_size")

LOWER_IS_BETTER = ("rmse", "mae")
_METRIC_NAMES = {
  "ap": "MAP",
  "rocauc": "ROC-AUC",
  "rmse": "RMSE",
  "mae": "MAE",
  "accuracy": "accuracy",
}


def read_records(results_dir: str | os.PathLike[str]) -> list[Record]:
  """Reads and checks results_dir/records/*.json, in the order of their names.

  Args:
    results_dir: The folder that holds `records`.

  Returns:
    The records; none if the folder is empty or not there.

  Raises:
    ValueError: If a file is not JSON, was written by a newer version, or lacks
      a field; the message names the file and the field.
  """
  paths = sorted(pathlib.Path(results_dir, "records").glob("*.json"))
  return [read_record(path, _FIELDS) for path in paths]


def read_record(
  path: pathlib.Path, fields: Mapping[str, type | tuple[type, ...]]
) -> Record:
  """Reads and checks one record.

  Args:
    path: A JSON file.
    fields: The type of every field it must have; a dot goes one level down.

  Raises:
    ValueError: If it is not JSON, was written by a newer version, or lacks a
      field; the message names the file and the field.
  """
  try:
    record = json.loads(path.read_text())
  except ValueError as error:
    raise ValueError(f"{path}: not a JSON file: {error}") from error
  for field, kind in fields.items():
    value = record
    for key in field.split("."):
      if not isinstance(value, dict) or key not in value:
        raise ValueError(f"{path}: field {field!r} is missing")
      value = value[key]
    # Before the other fields: a newer format may have dropped some of them.
    if field == "schema_version" and value > SCHEMA_VERSION:
      raise ValueError(
        f"{path}: schema_version {value} is newer than this program's"
        f" {SCHEMA_VERSION}; update the program"
      )
    wrong_number = isinstance(value, float) and not math.isfinite(value)
    if not isinstance(value, kind) or wrong_number:
      raise ValueError(f"{path}: field {field!r} cannot be {value!r}")
  return record


def by_configuration(records: Iterable[Record]) -> list[list[Record]]:
  """Groups the records that differ in nothing but the seed.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    The groups, each sorted by seed.
  """
  groups: dict[str, list[Record]] = {}
  for record in records:
    groups.setdefault(_configuration(record), []).append(record)
  by_seed = operator.itemgetter("seed")
  return [sorted(group, key=by_seed) for group in groups.values()]


def model_name(record: Record) -> str:
  """Returns the message passing, as in `Published`: 'gin+virtual_node'."""
  message_passing = record["config"]["model"]["message_passing"]
  name = message_passing["name"]
  if name == "aggregate":
    name = message_passing["aggregator"]["name"]
  return name + "+virtual_node" * bool(message_passing.get("virtual_node"))


def molecule_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
  """Summarises the records: one row for all seeds of a configuration.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    Rows of plain values, sorted, all with the same keys. Deviations are
    sample standard deviations over seeds, None for a single one.

  Raises:
    ValueError: If two records are the same run with the same seed.
  """
  rows = [_row(group) for group in by_configuration(records)]
  order = operator.itemgetter(
    "dataset", "model", "width", "readout", "steps", "learning_rate", "command"
  )
  return sorted(rows, key=order)


def molecule_table(records: Iterable[Record]) -> tuple[str, str]:
  """Makes the table of molecule datasets.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    The table as Markdown and as CSV, the same bytes for the same records.
  """
  rows = molecule_rows(records)
  text = io.StringIO()
  writer = csv.DictWriter(
    text, list(rows[0]) if rows else [], lineterminator="\n"
  )
  writer.writeheader()
  writer.writerows(rows)
  cells = [display(row) for row in rows]
  return markdown_table(cells), text.getvalue()


def display(row: dict[str, Any]) -> dict[str, str]:
  """Turns a row of `molecule_rows` into what a reader sees, by column title."""
  published = _plus_minus(row["published"], row["published_deviation"])
  if published:
    published += f" ({row['published_source']})"
  return {
    "dataset": row["dataset"],
    "train / valid / test": " / ".join(
      f"{row[f'num_{split}']:,}" for split in ("train", "valid", "test")
    ),
    "model": row["model"],
    "readout": row["readout"],
    "inner steps": _optional(row["inner_steps"]),
    "auxiliary weight": _optional(row["aux_weight"]),
    "width": str(row["width"]),
    "learning rate": f"{row['learning_rate']:g}",
    "steps": f"{row['steps']:,}",
    "epochs": f"{row['epochs']:g}",
    "seeds": str(row["seeds"]),
    "metric": _METRIC_NAMES.get(row["metric"], row["metric"]),
    "test": _plus_minus(row["test"], row["test_deviation"]),
    "valid": _plus_minus(row["valid"], row["valid_deviation"]),
    "published test": published,
    "parameters": f"{row['num_parameters']:,}",
    "minutes a run": f"{row['wall_seconds'] / 60:.1f}",
    "note": row["note"],
    "command": row["command"],
  }


def markdown_table(rows: Sequence[dict[str, str]]) -> str:
  """Returns rows with the same keys as Markdown, the keys as titles."""
  if not rows:
    return ""
  lines = [list(rows[0]), ["---"] * len(rows[0])]
  lines += [
    [" ".join(cell.split()).replace("|", "\\|") for cell in row.values()]
    for row in rows
  ]
  return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(path: str | os.PathLike[str], name: str, body: str) -> None:
  """Rewrites the generated section of a Markdown file, and nothing else in it.

  The section lies between `<!-- name:begin -->` and `<!-- name:end -->`. A file
  with neither gets them at its end, a file that is not there is made.

  Args:
    path: The Markdown file.
    name: The section's name.
    body: What goes between the comments.

  Raises:
    ValueError: If the comments are not one pair, begin before end.
  """
  path = pathlib.Path(path)
  text = path.read_text() if path.exists() else "# Results\n"
  begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
  if begin not in text and end not in text:
    text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
  before, _, rest = text.partition(begin)
  _, found_end, after = rest.partition(end)
  if not found_end or begin in rest or end in before + after:
    raise ValueError(f"{path}: needs {begin} once and after it {end} once")
  files.atomic_write_text(path, f"{before}{begin}\n{body}\n{end}{after}")


def _configuration(record: Record) -> str:
  """Everything but the seed that decides a result, as one string."""
  config = {
    key: value
    for key, value in record["config"].items()
    if key not in _WITHOUT_EFFECT
  }
  dataset = record["dataset"]
  return json.dumps(
    [dataset["name"], dataset["fingerprint"], config], sort_keys=True
  )


def _row(runs: Sequence[Record]) -> dict[str, Any]:
  """One row from the runs of one configuration, sorted by seed."""
  for first, second in itertools.pairwise(runs):
    if first["seed"] == second["seed"]:
      raise ValueError(
        f"records {first['name']!r} and {second['name']!r} are the same run"
        f" with the same seed {first['seed']}; keep one of them"
      )
  first = runs[0]
  dataset, test = first["dataset"], first["test"]
  model = model_name(first)
  readout_config = first["config"]["model"]["readout"]
  readout = readout_config["name"]
  width = first["config"]["model"]["message_passing"]["width"]
  published = paper.find(
    dataset["name"], model, readout, width, test["metric"], "test"
  )
  test_mean, test_deviation = _mean_deviation(r["test"]["value"] for r in runs)
  valid_mean, valid_deviation = _mean_deviation(
    r["best"]["valid"] for r in runs
  )
  return {
    "dataset": dataset["name"],
    "model": model,
    "readout": readout,
    "width": width,
    "learning_rate": first["config"]["optimizer"]["learning_rate"],
    "inner_steps": readout_config.get("num_steps"),
    "aux_weight": readout_config.get("aux_weight") or None,
    "steps": first["steps"],
    "epochs": first["epochs"],
    "seeds": len(runs),
    "metric": test["metric"],
    "test": test_mean,
    "test_deviation": test_deviation,
    "valid": valid_mean,
    "valid_deviation": valid_deviation,
    "published": published and published.value,
    "published_deviation": published and published.deviation,
    "published_source": published and published.source,
    "num_tasks_scored": test["num_tasks_scored"],
    "num_train": dataset["num_train"],
    "num_valid": dataset["num_valid"],
    "num_test": dataset["num_test"],
    "num_parameters": first["num_parameters"],
    "wall_seconds": round(statistics.fmean(r["wall_seconds"] for r in runs), 1),
    "note": "; ".join(dict.fromkeys(r["note"] for r in runs if r["note"])),
    "command": first["command"],
  }


def _mean_deviation(values: Iterable[float]) -> tuple[float, float | None]:
  values = list(values)
  deviation = statistics.stdev(values) if len(values) > 1 else None
  return (
    round(statistics.fmean(values), 6),
    deviation if deviation is None else round(deviation, 6),
  )


def _optional(value: float | None) -> str:
  return "" if value is None else f"{value:g}"


def _plus_minus(value: float | None, deviation: float | None) -> str:
  if value is None:
    return ""
  return f"{value:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
