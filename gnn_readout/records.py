"""The record of what has finished: one schema, writer, reader and grouping.

A record is one JSON object, written once, at the end. Its `kind` is that of a
run (a member of a population is one), of a cross-validation, or of a benchmark;
all tables, figures and sentences of results/ are made of records alone.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from gnn_readout import paths
from gnn_readout.errors import quoted, quoted_value, suggest
from gnn_readout.fields import flatten
from gnn_readout.files import atomic_write_text, read_json
from gnn_readout.wording import counted

VERSION = 2

Record = dict[str, Any]
Fields = Mapping[str, type | tuple[type, ...]]
T = TypeVar("T")

_NULL = type(None)
_NUMBER = (int, float)
_OR_NULL = (dict, _NULL)
_EVERY: Fields = {
  "name": str,
  "command": str,
  "git_commit": (str, _NULL),  # Null outside a repository.
  "git_dirty": (bool, _NULL),  # Null there too.
  "versions": dict,
  "hardware": dict,
  "finished_at": str,
}

# The fields that a record of each kind has, and their types: a dot goes one
# level down, an asterisk into every element of a list. Of what may be null, and
# is, nothing more is asked; what ends in a question mark may be absent.
KINDS: dict[str, Fields] = {
  "run": {
    **_EVERY,
    "problem": str,
    "config": dict,
    "config.model.readout.name?": str,
    "config.optimizer.learning_rate?": _NUMBER,
    "config_hash": str,
    "seed": int,
    "dataset": _OR_NULL,  # Null if the problem draws its examples.
    "dataset.name": str,
    "dataset.num_graphs": int,
    "dataset.num_train": int,
    "dataset.num_valid": int,
    "dataset.num_test": int,
    "dataset.fingerprint": str,
    "dataset.task_names?": list,
    "dataset.description?": list,
    "dataset.parts?": dict,
    "num_parameters": int,
    "steps": int,
    "epochs": (*_NUMBER, _NULL),
    "curves.train": list,
    "curves.valid": list,
    "curves.diagnostics": dict,
    "best": _OR_NULL,  # Null if it failed before it was scored.
    "best.step": int,
    "best.valid": _NUMBER,
    "test": _OR_NULL,
    "test.metric": str,
    "test.value": _NUMBER,
    "test.step": int,
    "test.scores": dict,
    "test.constant_scores?": dict,  # By metric, of a constant prediction.
    "test.num_tasks_scored?": int,
    "lower_is_better": bool,
    "failure": str,
    "stopped_at?": int,  # The step at which patience ended.
    "restarts?": list,  # Steps; there if a latest checkpoint was damaged.
    "wall_seconds": _NUMBER,
    "steps_per_second": _NUMBER,
    "graphs_per_second": (*_NUMBER, _NULL),
    "num_members": int,
    "num_devices": int,
    "num_processes?": int,
    "num_hosts?": int,
    "padding": _OR_NULL,
    "num_compiled_shapes": (int, _NULL),
    "describe": dict,
    "note": str,
  },
  "crossval": {
    **_EVERY,
    "config": dict,
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
    "protocol.epochs": _NUMBER,
    "repeats": list,
    "repeats.*.folds_hash": str,
    "repeats.*.tests": list,
    "repeats.*.tests.*": _NUMBER,
    "repeats.*.epochs": list,
    "repeats.*.epochs.*": _NUMBER,
    "test.metric": str,
    "test.value": _NUMBER,
    "test.deviation": (*_NUMBER, _NULL),
    "test.count": int,
    "test.constant_scores?": dict,  # The mean over the folds.
    "wall_seconds": _NUMBER,
    "note": str,
  },
  "benchmark": {
    **_EVERY,
    "benchmark": str,
    "rows": list,
    "rows.*.name?": str,
    "rows.*.ours?": _NUMBER,
    "rows.*.peer?": _NUMBER,
    "rows.*.unavailable?": str,  # Why there is no `peer`.
    "code?": str,  # Of all that was run, committed or not.
    "rounds?": int,
    "seconds?": _NUMBER,
    "load?": dict,
    "load.before?": (*_NUMBER, _NULL),  # Null where it cannot be measured.
    "load.meanwhile?": (*_NUMBER, _NULL),
    "slower?": list,  # What fell since the record before.
    "slower.*?": str,
  },
}

LOWER_IS_BETTER = ("rmse", "mae")
METRIC_NAMES = {
  "ap": "MAP",
  "rocauc": "ROC-AUC",
  "rmse": "RMSE",
  "mae": "MAE",
  "accuracy": "accuracy",
  "f1": "F1",
  "mcc": "MCC",
  "r2": "R²",
}

# Fields of a config that change what is shown or stored, but no number.
NON_RESULT_FIELDS = (
  "checkpoint_every",
  "eval_batch_size",
  "log_every",
  "note",
  "num_devices",
  "tensorboard",
)

_MISSING = object()


class NoRecordsError(ValueError):
  """There is nothing to make a report of.

  Attributes:
    command: What makes some.
  """

  def __init__(self, what: str, folder: str | os.PathLike[str], command: str):
    """Says what is missing where.

    Args:
      what: What is looked for, such as 'run records'.
      folder: Where they would be.
      command: What makes some.
    """
    super().__init__(
      f"no {what} in {folder}; a finished run writes one: {command}"
    )
    self.command = command


def metric_name(metric: str) -> str:
  """Returns what a reader calls a metric, such as 'MAP' for 'ap'."""
  return METRIC_NAMES.get(metric, metric)


def write(
  folder: str | os.PathLike[str],
  facts: Mapping[str, Any],
  file_name: str = "record.json",
) -> Record:
  """Completes a record, checks it and writes it.

  Args:
    folder: Folder of the run.
    facts: All fields of its kind but the version and the time.
    file_name: Name of the file in it.

  Returns:
    What is now in the file.

  Raises:
    ValueError: If a field is missing or cannot be what it is; nothing is
      written then.
  """
  path = pathlib.Path(folder) / file_name
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  text = as_text({"schema_version": VERSION, **facts, "finished_at": now})
  record = check(json.loads(text), path)
  atomic_write_text(path, text)
  return record


def as_text(record: Mapping[str, Any]) -> str:
  """Returns a record as it stands in its file.

  A point of a curve is on one line, not on four.
  """
  # No string of JSON holds a newline.
  text = re.sub(
    r"\[\n *([^][{}\n]*),\n *([^][{}\n]*)\n *\]",
    r"[\1, \2]",
    json.dumps(record, indent=1),
  )
  return text + "\n"


def read(path: str | os.PathLike[str]) -> Record:
  """Reads and checks one record.

  Args:
    path: A JSON file.

  Raises:
    ValueError: If it is not JSON, is of another version, or lacks a field of
      its kind; the message names the file and the field.
  """
  path = pathlib.Path(path)
  try:
    record = read_json(path)
  except ValueError as error:
    raise ValueError(f"{path}: not a JSON file: {error}") from error
  return check(record, path)


def check(record: Any, where: str | os.PathLike[str]) -> Record:
  """Returns a record that is whole.

  Args:
    record: What JSON has of it.
    where: What a message begins with.

  Raises:
    ValueError: As `read`.
  """
  # Before the other fields: another version may have others.
  _check_fields(record, {"schema_version": int}, where)
  version = record["schema_version"]
  if version != VERSION:
    age, what = ("newer", "update the program")
    if version < VERSION:
      age, what = ("older", "write the record again by its command")
    raise ValueError(
      f"{where}: schema_version {version} is {age} than this program's"
      f" {VERSION}; {what}"
    )
  _check_fields(record, {"kind": str}, where)
  kind = record["kind"]
  if kind not in KINDS:
    raise ValueError(
      f"{where}: field 'kind' has the invalid value"
      f" {quoted(kind)}.{suggest(kind, KINDS)}"
    )
  _check_fields(record, KINDS[kind], where)
  paths.check_part(record["name"], f"{where}: field 'name'")
  if kind == "crossval":
    _check_folds(record, where)
  return record


def read_folder(
  folder: str | os.PathLike[str], kind: str | None = None
) -> dict[pathlib.Path, Record]:
  """Reads and checks folder/*.json, in the order of their names.

  Args:
    folder: It need not be there.
    kind: A key of `KINDS`; None for the records of all kinds.

  Returns:
    The records by file.

  Raises:
    ValueError: As `read`, or if two are of the same run.
  """
  found = {p: read(p) for p in sorted(pathlib.Path(folder).glob("*.json"))}
  first: dict[str, pathlib.Path] = {}
  for path, record in found.items():
    if record["kind"] == "benchmark":
      continue
    run = f"{configuration(record)} {record['config'].get('seed')}"
    if run in first:
      raise ValueError(
        f"{path} is a record of the same run and seed as {first[run]}; keep"
        " one of them"
      )
    first[run] = path
  return {p: r for p, r in found.items() if kind in (None, r["kind"])}


def field(record: Record, name: str) -> Any:
  """Returns a field of a record's config, None if it is not there.

  Args:
    record: Record of a run or a cross-validation.
    name: Name with dots, such as 'model.readout.num_steps'.
  """
  return flatten(record["config"]).get(name)


def configuration(record: Record, without: Iterable[str] = ()) -> str:
  """Returns all that decides a result but the seed, as one string.

  Args:
    record: Record of a run or a cross-validation.
    without: Further fields of the config to leave out, with dots.
  """
  # A record is of one member, whose own fields are set.
  left_out = ("seed", "population", *NON_RESULT_FIELDS, *without)
  config = {
    name: value
    for name, value in flatten(record["config"]).items()
    if not any(f"{name}.".startswith(f"{left}.") for left in left_out)
  }
  dataset = record["dataset"] or {}
  facts = [
    record.get("problem"),
    record.get("protocol", {}).get("name"),
    dataset.get("name"),
    dataset.get("fingerprint"),
  ]
  return json.dumps([*facts, config], sort_keys=True)


@overload
def group(
  runs: Iterable[Record], without: Sequence[str] = ()
) -> list[list[Record]]: ...


@overload
def group(
  runs: Iterable[T],
  without: Sequence[str] = (),
  *,
  record: Callable[[T], Record],
) -> list[list[T]]: ...


def group(
  runs: Iterable[Any],
  without: Sequence[str] = (),
  record: Callable[[Any], Record] = lambda run: run,
) -> list[list[Any]]:
  """Groups the runs that are the same but for the seed.

  Args:
    runs: Records, or what has one.
    without: Fields of the config in which they may differ as well, with dots,
      such as 'optimizer.learning_rate'.
    record: What has a record -> the record.

  Returns:
    The groups, in the order of their first runs.
  """
  groups: dict[str, list[Any]] = {}
  for run in runs:
    groups.setdefault(configuration(record(run), without), []).append(run)
  return list(groups.values())


def _check_fields(
  record: Any, fields: Fields, where: str | os.PathLike[str]
) -> None:
  for field, types in fields.items():
    above = field.partition(".")[0]
    may_be_null = above != field and fields.get(above) == _OR_NULL
    if may_be_null and record[above] is None:
      continue
    for name, value in _values(record, field.rstrip("?").split("."), ()):
      if value is _MISSING:
        if field.endswith("?"):
          continue
        raise ValueError(f"{where}: field {name!r} is missing")
      not_finite = isinstance(value, float) and not math.isfinite(value)
      if not isinstance(value, types) or not_finite:
        raise ValueError(
          f"{where}: field {quoted(name)} has the invalid value"
          f" {quoted_value(value)}"
        )


def _values(
  inner: Any, keys: Sequence[str], above: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
  """Yields the full name and the value of all that the keys lead to."""
  if not keys:
    yield ".".join(above), inner
    return
  key, rest = keys[0], keys[1:]
  if key == "*" and isinstance(inner, list):
    for number, item in enumerate(inner):
      yield from _values(item, rest, (*above, str(number)))
  elif isinstance(inner, dict) and key in inner:
    yield from _values(inner[key], rest, (*above, key))
  else:
    yield ".".join((*above, *keys)), _MISSING


def _check_folds(record: Record, where: str | os.PathLike[str]) -> None:
  """Every repeat has a score and an epoch for each fold."""
  protocol, repeats = record["protocol"], record["repeats"]
  lengths = {"repeats": (len(repeats), protocol["repeats"])}
  for number, repeat in enumerate(repeats):
    for name in ("tests", "epochs"):
      field = f"repeats.{number}.{name}"
      lengths[field] = (len(repeat[name]), protocol["num_folds"])
  for field, (length, right) in lengths.items():
    if length != right or not length:
      raise ValueError(
        f"{where}: field {field!r} has {counted(length, 'element')}, but its"
        f" protocol has {right}"
      )
