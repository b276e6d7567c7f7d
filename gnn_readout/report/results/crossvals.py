"""Cross-validations on the TU collection, beside table 5.10 of Zhang 2020."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable
from typing import Any

from gnn_readout.records import Record, field, group, metric_name
from gnn_readout.report import markup
from gnn_readout.report.results import published
from gnn_readout.wording import counted

BASE, FSPOOL = "GIN-Base", "FSPool"

# By which protocol a model's published numbers were made.
PUBLISHED_BY = {"gin": "fspool2019", "gin0": "gin2019"}
_MODEL_NAMES = {"gin": "GIN", "gin0": "GIN-0"}


def runs(records: Iterable[Record]) -> list[Record]:
  """Returns the cross-validations of records of all kinds, sorted.

  The datasets are as in table 5.10, others after them; GIN-Base comes first,
  then FSPool, then the other readouts.
  """
  return sorted((r for r in records if r["kind"] == "crossval"), key=_order)


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
  """Returns a row of plain values for each record, all with the same keys.

  Args:
    records: From `runs`.
  """
  return list(map(_row, records))


def display(row: dict[str, Any]) -> dict[str, str]:
  """Turns a row of `rows` into what a reader sees, by column title."""
  protocol = row["protocol"]
  if row["selected_on"] == "test":
    protocol += ", selected on test"
  away, readout = row["difference_in_deviations"], row["readout"]
  return {
    "dataset": row["dataset"].removeprefix("tu/"),
    "model": _model_name(row["model"], row["eps"]),
    "readout": f"{readout} ({BASE})"
    if _label(row["dataset"], readout) == BASE
    else readout,
    "protocol": protocol,
    "test": _score(row["metric"], row["test"], row["deviation"]),
    "mean over": counted(row["count"], row["counted"]),
    "published": _score(
      "accuracy", row["published"], row["published_deviation"]
    ),
    "difference / published std": "" if away is None else f"{away:+.1f}",
    "epochs to converge": _epochs(row["converged"], row["converged_deviation"]),
    "published epochs": _epochs(
      row["published_converged"], row["published_converged_deviation"]
    ),
    "grid points x folds x repeats x epochs": (
      f"{row['grid_points']} x {row['folds']} x {row['repeats']} x"
      f" {row['epochs']:g}"
    ),
    "reduced": row["reduced"],
  }


def display_long(row: dict[str, Any]) -> dict[str, str]:
  """Returns `display` with the published number's source and the command."""
  more = {"source of the published number": row["source"] or ""}
  return {**display(row), **more, "command": row["command"]}


def pairs(records: Iterable[Record]) -> list[tuple[Record, Record]]:
  """Returns all pairs that differ in the readout alone.

  Model, protocol, grid and epochs are the same.

  Args:
    records: From `runs`.
  """
  return [
    pair
    for alike in group(records, ["model.readout", "repeats"])
    for pair in itertools.combinations(alike, 2)
  ]


def label(record: Record) -> str:
  """Returns what table 5.10 calls the readout, or its name."""
  return _label(record["dataset"]["name"], _readout(record))


def setting(record: Record) -> str:
  """Returns such as 'GIN, fspool2019'."""
  name = _model_name(_model(record), _eps(record))
  return f"{name}, {record['protocol']['name']}"


def _row(record: Record) -> dict[str, Any]:
  protocol, test = record["protocol"], record["test"]
  dataset, model = record["dataset"]["name"], _model(record)
  level = None
  if protocol["name"] == PUBLISHED_BY[model]:
    level = published.tu(dataset, model, _readout(record))
  away = None
  if level and level.deviation:
    away = (test["value"] - level.accuracy) / level.deviation
  epochs = [statistics.fmean(r["epochs"]) for r in record["repeats"]]
  converged, converged_deviation = markup.mean_deviation(epochs)
  once = protocol["repeats_published"] == 1
  return {
    "dataset": dataset,
    "model": model,
    "eps": _eps(record),
    "readout": _readout(record),
    "protocol": protocol["name"],
    "selected_on": protocol["selected_on"],
    "metric": test["metric"],
    "test": round(test["value"], 6),
    "deviation": test["deviation"] and round(test["deviation"], 6),
    "count": test["count"],
    "counted": "fold" if once else "repeat",
    "published": level and level.accuracy,
    "published_deviation": level and level.deviation,
    "source": level and level.source,
    "difference_in_deviations": None if away is None else round(away, 3),
    "converged": converged,
    "converged_deviation": converged_deviation,
    "published_converged": level and level.epochs,
    "published_converged_deviation": level and level.epochs_deviation,
    "num_graphs": record["dataset"]["num_graphs"],
    "grid_points": len(protocol["grid"]),
    "folds": protocol["num_folds"],
    "repeats": protocol["repeats"],
    "epochs": protocol["epochs"],
    "reduced": _reduced(record),
    "minutes": round(record["wall_seconds"] / 60, 2),
    "note": record["note"],
    "command": record["command"],
  }


def _reduced(record: Record) -> str:
  """Says what is smaller than in the published runs, and the run's note."""
  protocol, model = record["protocol"], _model(record)
  sizes = [(protocol["repeats"], protocol["repeats_published"], "repeats")]
  size = published.tu_size(record["dataset"]["name"], model)
  if size and protocol["name"] == PUBLISHED_BY[model]:
    sizes.append((protocol["epochs"], size[0], "epochs"))
    sizes.append((len(protocol["grid"]), size[1], "points"))
  words = [f"{n:g} of {of} {what}" for n, of, what in sizes if n < of]
  if record["note"]:
    words.append(record["note"])
  return "; ".join(words)


def _order(record: Record) -> tuple[Any, ...]:
  dataset, readout = record["dataset"]["name"], _readout(record)
  known = published.tu_datasets()
  place = known.index(dataset) if dataset in known else len(known)
  protocol = record["protocol"]
  first = (BASE, FSPOOL)
  return (
    place,
    dataset,
    _model(record),
    protocol["name"],
    first.index(label(record)) if label(record) in first else len(first),
    readout,
    _eps(record) != "zero",
    -protocol["epochs"],
    -len(protocol["grid"]),
    record["command"],
  )


def _label(dataset: str, readout: str) -> str:
  if readout == "fspool":
    return FSPOOL
  return BASE if readout == published.base_readout(dataset) else readout


def _readout(record: Record) -> str:
  return record["config"]["model"]["readout"]["name"]


def _model(record: Record) -> str:
  """'gin' of the thesis, or 'gin0' of Xu et al., that scores every layer."""
  head = record["config"]["model"]["head"]["name"]
  return "gin0" if head == "layerwise" else "gin"


def _eps(record: Record) -> str:
  """What GIN adds to the weight of a node's own state; 0 in older records."""
  return field(record, "model.message_passing.eps") or "zero"


def _model_name(model: str, eps: str) -> str:
  return _MODEL_NAMES[model] + f", eps = {eps}" * (eps != "zero")


def _score(metric: str, value: float | None, deviation: float | None) -> str:
  """Returns a score, in percent if it is an accuracy."""
  if metric != "accuracy":
    return f"{metric_name(metric)} " + markup.plus_minus(value, deviation)
  if value is None:
    return ""
  return markup.plus_minus(100 * value, deviation and 100 * deviation, 1)


def _epochs(value: float | None, deviation: float | None) -> str:
  return markup.plus_minus(value, deviation, 0)
