"""Runs on datasets of graphs: one row for all seeds of a configuration."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from gnn_readout.records import Record, group, metric_name
from gnn_readout.report import markup
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection

# OGB's length and width, which configs/molpcba.py has as well.
_EPOCHS = int(published.number("ogb_epochs"))
WIDTH = int(published.number("ogb_width"))

CAPTION = (
  "Scores are the mean and sample standard deviation over the seeds. Each row"
  " uses the learning rate with the best mean validation score; `best of`"
  " says how many were tried. `reduced` lists settings below OGB's (width"
  f" {WIDTH}, {_EPOCHS} epochs). Runs of less than one epoch only measure"
  " speed and are left out. All runs and their commands are in"
  " [runs.md](runs.md)."
)


def runs(records: Iterable[Record]) -> list[Record]:
  """Returns the runs on datasets of graphs, of records of all kinds."""
  return [r for r in records if r.get("problem") == "graph_property"]


def is_scored(record: Record) -> bool:
  """Returns whether a run was long enough to be compared by its score.

  Those of less than an epoch are made for their speed.
  """
  return record["epochs"] >= 1


def reduced(record: Record, width: int | None = WIDTH) -> str:
  """Says what of a run is smaller than OGB's width and number of epochs.

  Args:
    record: From `runs`.
    width: What is not reduced; None where it does not matter.
  """
  actual = record["config"]["model"]["message_passing"]["width"]
  words = []
  if width and actual < width:
    words.append(f"width {actual} of {width}")
  if record["epochs"] < _EPOCHS:
    words.append(f"{record['epochs']:.3g} of {_EPOCHS} epochs")
  return ", ".join(words)


def learning_rate(row: Selection) -> str:
  """Returns such as '0.001 (best of 3)', or '0.001' if no other was tried."""
  return f"{row.learning_rate:g}" + f" (best of {row.rates})" * (row.rates > 1)


def model_name(record: Record) -> str:
  """Returns the message passing, as in `Published`: 'gin+virtual_node'."""
  message_passing = record["config"]["model"]["message_passing"]
  name = message_passing["name"]
  if name == "aggregate":
    name = message_passing["aggregator"]["name"]
  return name + "+virtual_node" * bool(message_passing.get("virtual_node"))


def setting(record: Record) -> str:
  """Returns such as 'ogbg-moltox21, gcn, 128 wide, 20 epochs'."""
  width = record["config"]["model"]["message_passing"]["width"]
  return (
    f"{record['dataset']['name']}, {model_name(record)}, {width} wide,"
    f" {record['epochs']:.3g} epochs"
  )


def readout_name(record: Record) -> str:
  """Returns the name of the readout."""
  return record["config"]["model"]["readout"]["name"]


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
  """Summarises the records: one row for all seeds of a configuration.

  Args:
    records: From `runs`.

  Returns:
    Rows of plain values, sorted, all with the same keys. The columns
    `*_deviation` are sample standard deviations over seeds, None for a single
    one. Runs that were given up without a score have none.
  """
  order = operator.itemgetter(
    "dataset", "model", "width", "readout", "steps", "learning_rate", "command"
  )
  scored = (record for record in records if record["test"])
  by_seed = sorted(scored, key=operator.itemgetter("seed"))
  return sorted(map(_row, group(by_seed)), key=order)


def display(row: dict[str, Any]) -> dict[str, str]:
  """Turns a row of `rows` into what a reader sees, by column title."""
  level = markup.plus_minus(row["published"], row["published_deviation"])
  if level:
    level += f" ({row['published_source']})"
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
    "epochs": f"{round(row['epochs'], 2):g}",
    "seeds": str(row["seeds"]),
    "metric": metric_name(row["metric"]),
    "test": markup.plus_minus(row["test"], row["test_deviation"]),
    "valid": markup.plus_minus(row["valid"], row["valid_deviation"]),
    "published test": level,
    "parameters": f"{row['num_parameters']:,}",
    "note": row["note"],
    "command": row["command"],
  }


def _row(seeds: Sequence[Record]) -> dict[str, Any]:
  """One row from the runs of one configuration, sorted by seed."""
  first = seeds[0]
  dataset, test = first["dataset"], first["test"]
  model = model_name(first)
  readout = first["config"]["model"]["readout"]
  width = first["config"]["model"]["message_passing"]["width"]
  level = published.find(
    dataset["name"], model, readout["name"], width, test["metric"], "test"
  )
  test_mean, test_deviation = markup.mean_deviation(
    r["test"]["value"] for r in seeds
  )
  valid_mean, valid_deviation = markup.mean_deviation(
    r["best"]["valid"] for r in seeds
  )
  return {
    "dataset": dataset["name"],
    "model": model,
    "readout": readout["name"],
    "width": width,
    "learning_rate": first["config"]["optimizer"]["learning_rate"],
    "inner_steps": readout.get("num_steps"),
    "aux_weight": readout.get("aux_weight") or None,
    "steps": first["steps"],
    "epochs": first["epochs"],
    "seeds": len(seeds),
    "metric": test["metric"],
    "test": test_mean,
    "test_deviation": test_deviation,
    "valid": valid_mean,
    "valid_deviation": valid_deviation,
    "published": level and level.value,
    "published_deviation": level and level.deviation,
    "published_source": level and level.source,
    "num_tasks_scored": test.get("num_tasks_scored"),
    "num_train": dataset["num_train"],
    "num_valid": dataset["num_valid"],
    "num_test": dataset["num_test"],
    "num_parameters": first["num_parameters"],
    "wall_seconds": round(
      statistics.fmean(r["wall_seconds"] for r in seeds), 1
    ),
    "note": "; ".join(dict.fromkeys(r["note"] for r in seeds if r["note"])),
    "command": first["command"],
  }
