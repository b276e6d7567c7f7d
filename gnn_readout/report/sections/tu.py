"""Cross-validations on the TU collection, beside table 5.10 of Zhang 2020.

Their records are results/records/tu/*.json; each is a row.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from gnn_readout.records import (
  METRIC_NAMES,
  NUMBER,
  Fields,
  NoRecordsError,
  Record,
  read_folder_of,
)
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Section, Table
from gnn_readout.report.figures import tu as tu_plots
from gnn_readout.report.results import published as paper
from gnn_readout.report.results import wilcoxon as paired

TITLE = "Graph classification (table 5.10 of Zhang's thesis)"
COMMAND = (
  "python -m launch.crossval --config=configs/tu.py:MUTAG,fspool"
  " --protocol=fspool2019 --workdir=DIR --records=results/records/tu"
)
BASE, FSPOOL = "GIN-Base", "FSPool"

_FIELDS: Fields = {
  "schema_version": int,
  "name": str,
  "command": str,
  "config.model.readout.name": str,
  "config.model.head.name": str,
  "config_hash": str,
  "dataset.name": str,
  "dataset.num_graphs": int,
  "dataset.fingerprint": str,
  "protocol.name": str,
  "protocol.selected_on": str,
  "protocol.repeats": int,
  "protocol.repeats_published": int,
  "protocol.num_folds": int,
  "protocol.grid": list,
  "protocol.epochs": NUMBER,
  "repeats": list,
  "repeats.*.folds_hash": str,
  "repeats.*.tests": list,
  "repeats.*.tests.*": NUMBER,
  "repeats.*.epochs": list,
  "repeats.*.epochs.*": NUMBER,
  "test.metric": str,
  "test.value": NUMBER,
  "test.deviation": (*NUMBER, type(None)),
  "test.count": int,
  "wall_seconds": NUMBER,
  "note": str,
}

# By which protocol a model's published numbers were made.
_PUBLISHED_BY = {"gin": "fspool2019", "gin0": "gin2019"}
_MODEL_NAMES = {"gin": "GIN", "gin0": "GIN-0"}
_FAR = 2  # Published deviations.


def read_records(results_dir: str | os.PathLike[str]) -> list[Record]:
  """Reads and checks results_dir/records/tu/*.json.

  Args:
    results_dir: The folder that holds `records`.

  Raises:
    ValueError: If a file is not a record of a cross-validation, or two are the
      same one.
  """
  folder = pathlib.Path(results_dir, "records", "tu")
  seen: dict[tuple[str, str], pathlib.Path] = {}
  found = read_folder_of(folder, _FIELDS)
  for path, record in found.items():
    protocol, repeats = record["protocol"], record["repeats"]
    wanted = {"repeats": protocol["repeats"]}
    lengths = {"repeats": len(repeats)}
    for number, repeat in enumerate(repeats):
      for name in ("tests", "epochs"):
        lengths[f"repeats.{number}.{name}"] = len(repeat[name])
    for field, length in lengths.items():
      right = wanted.get(field, protocol["num_folds"])
      if length != right or not length:
        raise ValueError(
          f"{path}: field {field!r} has {length} elements, the protocol in it"
          f" has {right}"
        )
    key = (record["config_hash"], protocol["name"])
    if key in seen:
      raise ValueError(
        f"{path} is the same cross-validation as {seen[key]}; keep one of them"
      )
    seen[key] = path
  return list(found.values())


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
  """Returns a row of plain values for each record.

  They are sorted: datasets as in table 5.10, others after them; GIN-Base, then
  FSPool, then the other readouts. All have the same keys.

  Args:
    records: As `read_records` returns them, in any order.
  """
  return [_row(record) for record in sorted(records, key=_order)]


def display(row: dict[str, Any]) -> dict[str, str]:
  """Turns a row of `rows` into what a reader sees, by column title."""
  protocol = row["protocol"]
  if row["selected_on"] == "test":
    protocol += ", selected on test"
  away = row["difference_in_deviations"]
  far = ", more than two" if away is not None and abs(away) > _FAR else ""
  readout = row["readout"]
  label = _label(row["dataset"], readout)
  return {
    "dataset": row["dataset"].removeprefix("tu/"),
    "model": _MODEL_NAMES[row["model"]],
    "readout": f"{readout} ({BASE})" if label == BASE else readout,
    "protocol": protocol,
    "test": _score(row["metric"], row["test"], row["deviation"]),
    "over": f"{row['count']} {row['counted']}{'s' * (row['count'] != 1)}",
    "published": _score(
      "accuracy", row["published"], row["published_deviation"]
    ),
    "apart, in published deviations": (
      "" if away is None else f"{away:+.1f}{far}"
    ),
    "epochs to converge": _epochs(row["converged"], row["converged_deviation"]),
    "published epochs": _epochs(
      row["published_converged"], row["published_converged_deviation"]
    ),
    "points x folds x repeats x epochs": (
      f"{row['grid_points']} x {row['folds']} x {row['repeats']} x"
      f" {row['epochs']:g}"
    ),
    "reduced": row["reduced"],
    "minutes": f"{row['minutes']:.1f}",
  }


def display_long(row: dict[str, Any]) -> dict[str, str]:
  """Returns `display` with the published number's source and the command."""
  more = {"source of the published": row["source"] or ""}
  return {**display(row), **more, "command": row["command"]}


def pairs(records: Iterable[Record]) -> list[dict[str, str]]:
  """Compares the readouts of a dataset, two by two.

  Only what differs in nothing but the readout is compared: model, protocol,
  grid and epochs are the same, and the folds.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    What a reader sees, by column title.
  """
  return [
    {
      "dataset": first["dataset"]["name"].removeprefix("tu/"),
      "model, protocol": _setting_name(first),
      "second": _name(second),
      "first": _name(first),
      **_paired_cells(first, second),
    }
    for first, second in _pairs(records)
  ]


def across_datasets(records: Iterable[Record]) -> str:
  """Says whether FSPool differs from GIN-Base over datasets.

  A dataset is one pair of means in Wilcoxon's signed-rank test, as in section
  5.6.5 of the thesis.

  Args:
    records: As `read_records` returns them, in any order.

  Returns:
    A sentence for each model and protocol.
  """
  found: dict[str, dict[str, float]] = {}
  for first, second in _pairs(records):
    labels = [_label(_dataset(r), _readout(r)) for r in (first, second)]
    if labels == [BASE, FSPOOL]:
      gap = second["test"]["value"] - first["test"]["value"]
      found.setdefault(_setting_name(first), {})[_dataset(first)] = gap
  if not found:
    return f"Across datasets: no dataset has both {BASE} and {FSPOOL}."
  return " ".join(
    f"Across datasets, {setting}: " + _across(list(gaps.values()))
    for setting, gaps in sorted(found.items())
  )


def section(results_dir: str | os.PathLike[str]) -> Section:
  """Makes the section of the TU collection.

  Args:
    results_dir: The folder that holds `records`.

  Raises:
    ValueError: If there is no record, or a damaged one.
  """
  records = read_records(results_dir)
  if not records:
    folder = pathlib.Path(results_dir, "records", "tu")
    raise NoRecordsError("record of a cross-validation", folder, COMMAND)
  found = rows(records)
  blocks: list[Block] = [
    "Test accuracy in percent, mean and sample deviation over repeats or, where"
    " the protocol has one repeat only, over folds. Published: Zhang 2020"
    f" (thesis), table 5.10; of GIN-0 Xu et al. 2019 as quoted there. {BASE}"
    " pools with the mean on social networks and with the sum elsewhere. What"
    " is selected on test is too good, and not comparable with the rest."
    " `reduced` says what is smaller than in the published runs."
  ]
  if any(row["metric"] == "accuracy" for row in found):
    blocks.append(
      Figure("tu_accuracy", "Test accuracy of readouts", tu_plots.bars(found))
    )
  blocks.append(Table("Cross-validation", [display(row) for row in found]))
  compared = pairs(records)
  if compared:
    blocks += [
      "Readouts compared two by two: Wilcoxon's signed-rank test over the test"
      " scores of the folds, which are the same for both. Folds of different"
      " repeats test the same graphs again, so that the p of all of them is too"
      " small; the p of one repeat, of which the median is given, is not. Two"
      " readouts are said to differ if both are below 0.05; there is no"
      " correction for the number of pairs.",
      Table("Paired comparison over folds", compared),
    ]
  blocks.append(across_datasets(records))
  return Section("tu", TITLE, blocks, {"tu.csv": markup.csv_table(found)})


def _row(record: Record) -> dict[str, Any]:
  protocol, test = record["protocol"], record["test"]
  dataset, model = record["dataset"]["name"], _model(record)
  published = None
  if protocol["name"] == _PUBLISHED_BY[model]:
    published = paper.tu(dataset, model, _readout(record))
  away = None
  if published and published.deviation:
    away = (test["value"] - published.accuracy) / published.deviation
  epochs = [statistics.fmean(r["epochs"]) for r in record["repeats"]]
  converged, converged_deviation = markup.mean_deviation(epochs)
  once = protocol["repeats_published"] == 1
  return {
    "dataset": dataset,
    "model": model,
    "readout": _readout(record),
    "protocol": protocol["name"],
    "selected_on": protocol["selected_on"],
    "metric": test["metric"],
    "test": round(test["value"], 6),
    "deviation": test["deviation"] and round(test["deviation"], 6),
    "count": test["count"],
    "counted": "fold" if once else "repeat",
    "published": published and published.accuracy,
    "published_deviation": published and published.deviation,
    "source": published and published.source,
    "difference_in_deviations": None if away is None else round(away, 3),
    "converged": converged,
    "converged_deviation": converged_deviation,
    "published_converged": published and published.epochs,
    "published_converged_deviation": published and published.epochs_deviation,
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
  """What is smaller than in the published runs, and the run's own note."""
  protocol, model = record["protocol"], _model(record)
  sizes = [(protocol["repeats"], protocol["repeats_published"], "repeats")]
  published = paper.tu_size(record["dataset"]["name"], model)
  if published and protocol["name"] == _PUBLISHED_BY[model]:
    sizes.append((protocol["epochs"], published[0], "epochs"))
    sizes.append((len(protocol["grid"]), published[1], "points"))
  words = [f"{n:g} of {of} {what}" for n, of, what in sizes if n < of]
  if record["note"]:
    words.append(record["note"])
  return "; ".join(words)


def _pairs(records: Iterable[Record]) -> list[tuple[Record, Record]]:
  """All pairs that differ in the readout alone."""
  groups: dict[str, list[Record]] = {}
  for record in sorted(records, key=_order):
    protocol = record["protocol"]
    key = (record["dataset"], _model(record), protocol["name"])
    sizes = (protocol["grid"], protocol["epochs"], protocol["num_folds"])
    groups.setdefault(json.dumps([key, sizes], sort_keys=True), []).append(
      record
    )
  return [
    pair
    for group in groups.values()
    for pair in itertools.combinations(group, 2)
  ]


def _paired_cells(first: Record, second: Record) -> dict[str, str]:
  found = paired.compare(first, second)
  if found.difference is None:
    why = "not compared: the splits of the two are not the same"
    return _CELLS | {"finding": why}
  sizes = f"{found.repeats} x {first['protocol']['num_folds']}"
  both = max(found.p, found.p_repeat) < 0.05
  ahead, behind = _name(second), _name(first)
  if found.difference < 0:
    ahead, behind = behind, ahead
  finding = f"{ahead} is ahead of {behind}" if both else "no difference shown"
  if found.repeats < found.of:
    finding += f"; splits differ in {found.of - found.repeats} more repeats"
  scale = 100 if first["test"]["metric"] == "accuracy" else 1
  return {
    "repeats x folds": sizes,
    "second better, level, worse": (
      f"{found.wins}, {found.ties}, {found.losses}"
    ),
    "mean difference": f"{scale * found.difference:+.2f}",
    "p, all folds": f"{found.p:.3f}",
    "p, one repeat": f"{found.p_repeat:.3f}",
    "finding": finding,
  }


_CELLS = dict.fromkeys(
  ("repeats x folds", "second better, level, worse", "mean difference",
   "p, all folds", "p, one repeat", "finding"), ""
)  # fmt: skip


def _across(gaps: Sequence[float]) -> str:
  ahead = sum(gap > 0 for gap in gaps)
  text = f"{FSPOOL} is ahead of {BASE} on {ahead} of {len(gaps)}"
  if len(gaps) < paired.MIN_PAIRS:
    return (
      f"{text}. Fewer than {paired.MIN_PAIRS} datasets are too few for a test:"
      " no outcome could have p < 0.05."
    )
  p = paired.signed_rank(gaps)
  return f"{text}, p = {p:.3f} (the thesis: 6 of 9, p = 0.07)."


def _order(record: Record) -> tuple[Any, ...]:
  dataset, readout = _dataset(record), _readout(record)
  known = paper.TU_DATASETS
  place = known.index(dataset) if dataset in known else len(known)
  protocol = record["protocol"]
  rank = (BASE, FSPOOL).index
  label = _label(dataset, readout)
  return (
    place,
    dataset,
    _model(record),
    protocol["name"],
    rank(label) if label in (BASE, FSPOOL) else 2,
    readout,
    -protocol["epochs"],
    -len(protocol["grid"]),
    record["command"],
  )


def _label(dataset: str, readout: str) -> str:
  """Returns what table 5.10 calls a readout on a dataset, or its name."""
  if readout == "fspool":
    return FSPOOL
  return BASE if readout == paper.base_readout(dataset) else readout


def _name(record: Record) -> str:
  return _label(_dataset(record), _readout(record))


def _setting_name(record: Record) -> str:
  return f"{_MODEL_NAMES[_model(record)]}, {record['protocol']['name']}"


def _dataset(record: Record) -> str:
  return record["dataset"]["name"]


def _readout(record: Record) -> str:
  return record["config"]["model"]["readout"]["name"]


def _model(record: Record) -> str:
  """'gin' of the thesis, or 'gin0' of Xu et al., that scores every layer."""
  return (
    "gin0"
    if record["config"]["model"]["head"]["name"] == "layerwise"
    else "gin"
  )


def _score(metric: str, value: float | None, deviation: float | None) -> str:
  """Percent if it is an accuracy."""
  if metric != "accuracy":
    return f"{METRIC_NAMES.get(metric, metric)} " + markup.plus_minus(
      value, deviation
    )
  if value is None:
    return ""
  return markup.plus_minus(100 * value, deviation and 100 * deviation, 1)


def _epochs(value: float | None, deviation: float | None) -> str:
  return markup.plus_minus(value, deviation, 0)
