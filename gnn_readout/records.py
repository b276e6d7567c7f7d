"""Reads what finished runs wrote, and refuses what is not a whole record."""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 1  # The newest record format this program reads.

Record = dict[str, Any]
Fields = Mapping[str, type | tuple[type, ...]]

NUMBER = (int, float)
LOWER_IS_BETTER = ("rmse", "mae")
METRIC_NAMES = {
  "ap": "MAP",
  "rocauc": "ROC-AUC",
  "rmse": "RMSE",
  "mae": "MAE",
  "accuracy": "accuracy",
}

_MISSING = object()


class NoRecordsError(ValueError):
  """There is nothing to make a report of.

  Attributes:
    command: What makes some.
  """

  def __init__(self, what: str, folder: str | os.PathLike[str], command: str):
    """Says what is missing where.

    Args:
      what: Such as 'run records'.
      folder: Where they would be.
      command: What makes some.
    """
    super().__init__(
      f"no {what} in {folder}; a finished run writes one: {command}"
    )
    self.command = command


def read_folder(
  folder: str | os.PathLike[str], fields: Fields
) -> dict[pathlib.Path, Record]:
  """Reads and checks folder/*.json, in the order of their names.

  Args:
    folder: It need not be there.
    fields: As `read_record` takes them.

  Returns:
    The records by file.

  Raises:
    ValueError: As `read_record`.
  """
  paths = sorted(pathlib.Path(folder).glob("*.json"))
  return {path: read_record(path, fields) for path in paths}


def read_record(path: pathlib.Path, fields: Fields) -> Record:
  """Reads and checks one record.

  Args:
    path: A JSON file.
    fields: The type of every field it must have; a dot goes one level down, an
      asterisk into every element of a list.

  Raises:
    ValueError: If it is not JSON, was written by a newer version, or lacks a
      field; the message names the file and the field.
  """
  try:
    record = json.loads(path.read_text())
  except ValueError as error:
    raise ValueError(f"{path}: not a JSON file: {error}") from error
  for field, kind in fields.items():
    for name, value in _values(record, field.split("."), ()):
      if value is _MISSING:
        raise ValueError(f"{path}: field {name!r} is missing")
      # Before the other fields: a newer format may have dropped some of them.
      newest = SCHEMA_VERSION if field == "schema_version" else math.inf
      if isinstance(value, NUMBER) and value > newest:
        raise ValueError(
          f"{path}: schema_version {value} is newer than this program's"
          f" {SCHEMA_VERSION}; update the program"
        )
      wrong_number = isinstance(value, float) and not math.isfinite(value)
      if not isinstance(value, kind) or wrong_number:
        raise ValueError(f"{path}: field {name!r} cannot be {value!r}")
  return record


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
