"""From run records to tables; nothing else goes in.

A record is one JSON file in results/records/, written once by a finished run.
Runs that differ in nothing but the seed become one row.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from gnn_readout.records import (
  METRIC_NAMES,
  NUMBER,
  Fields,
  Record,
  read_folder_of,
)
from gnn_readout.report import markup
from gnn_readout.report.results import published as paper

# Every field a record must have, and its type; a dot goes one level down.
_FIELDS: Fields = {
  "schema_version": int,
  "name": str,
  "command": str,
  "config": dict,
  "config.model.message_passing.name": str,
  "config.model.message_passing.width": int,
  "config.model.readout.name": str,
  "config.optimizer.learning_rate": NUMBER,
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
  "epochs": NUMBER,
  "curves": dict,
  "best.step": int,
  "best.valid": NUMBER,
  "test.metric": str,
  "test.value": NUMBER,
  "test.num_tasks_scored": int,
  "test.step": int,
  "wall_seconds": NUMBER,
  "steps_per_second": NUMBER,
  "graphs_per_second": NUMBER,
  "padding": dict,
  "num_compiled_shapes": int,
  "finished_at": str,
  "note": str,
}

# Config fields that leave the result as it is: no reason for another row.
_WITHOUT_EFFECT = (
  "seed",
  "checkpoint_every",
  "eval_batch_size",
  "log_every",
  "population",  # A record is of one member, of which it is empty.
  "tensorboard",
)


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
  folder = pathlib.Path(results_dir, "records")
  return list(read_folder_of(folder, _FIELDS).values())


def is_scored(record: Record) -> bool:
  """Whether a run was long enough to be compared with others by its score.

  Those of less than an epoch are made for their speed.
  """
  return record["epochs"] >= 1


def by_configuration(records: Iterable[Record]) -> list[list[Record]]:
  """Groups the records that differ in nothing but the seed.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    The groups, each sorted by seed.

  Raises:
    ValueError: If two records are the same run with the same seed.
  """
  groups: dict[str, list[Record]] = {}
  for record in sorted(records, key=operator.itemgetter("seed")):
    groups.setdefault(_configuration(record), []).append(record)
  for first, second in itertools.chain(
    *map(itertools.pairwise, groups.values())
  ):
    if first["seed"] == second["seed"]:
      raise ValueError(
        f"records {first['name']!r} and {second['name']!r} are the same run"
        f" with the same seed {first['seed']}; keep one of them"
      )
  return list(groups.values())


def effective_config(record: Record) -> dict[str, Any]:
  """Returns the config without the seed and what leaves the result as it is."""
  config = record["config"]
  return {k: v for k, v in config.items() if k not in _WITHOUT_EFFECT}


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


def display(row: dict[str, Any]) -> dict[str, str]:
  """Turns a row of `molecule_rows` into what a reader sees, by column title."""
  published = markup.plus_minus(row["published"], row["published_deviation"])
  if published:
    published += f" ({row['published_source']})"
  return {
    "dataset": row["dataset"],
    "train / valid / test": " / ".join(
      f"{row[f'num_{split}']:,}" for split in ("train", "valid", "test")
    ),
    "model": row["model"],
    "readout": row["readout"],
    "inner steps": markup.optional(row["inner_steps"]),
    "auxiliary weight": markup.optional(row["aux_weight"]),
    "width": str(row["width"]),
    "learning rate": f"{row['learning_rate']:g}",
    "steps": f"{row['steps']:,}",
    "epochs": f"{row['epochs']:g}",
    "seeds": str(row["seeds"]),
    "metric": METRIC_NAMES.get(row["metric"], row["metric"]),
    "test": markup.plus_minus(row["test"], row["test_deviation"]),
    "valid": markup.plus_minus(row["valid"], row["valid_deviation"]),
    "published test": published,
    "parameters": f"{row['num_parameters']:,}",
    "minutes a run": f"{row['wall_seconds'] / 60:.1f}",
    "note": row["note"],
    "command": row["command"],
  }


def _configuration(record: Record) -> str:
  """Everything but the seed that decides a result, as one string."""
  dataset = record["dataset"]
  config = effective_config(record)
  return json.dumps(
    [dataset["name"], dataset["fingerprint"], config], sort_keys=True
  )


def _row(runs: Sequence[Record]) -> dict[str, Any]:
  """One row from the runs of one configuration, sorted by seed."""
  first = runs[0]
  dataset, test = first["dataset"], first["test"]
  model = model_name(first)
  readout_config = first["config"]["model"]["readout"]
  readout = readout_config["name"]
  width = first["config"]["model"]["message_passing"]["width"]
  published = paper.find(
    dataset["name"], model, readout, width, test["metric"], "test"
  )
  test_mean, test_deviation = markup.mean_deviation(
    r["test"]["value"] for r in runs
  )
  valid_mean, valid_deviation = markup.mean_deviation(
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
