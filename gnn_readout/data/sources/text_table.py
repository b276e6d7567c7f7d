"""CSV files with a header, read strictly: every row is whole or named."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gnn_readout.errors import suggest

_MISSING = ("", "nan", "na", "n/a", "none", "null")


class Table(NamedTuple):
  """Fields as text, by column.

  Attributes:
    path: Of the file.
    rows: [M] the number of each row, counted from 1 after the header.
    columns: [M] strings by name.
  """

  path: str
  rows: np.ndarray
  columns: dict[str, np.ndarray]

  def column(self, name: str) -> np.ndarray:
    """Returns the column `name`, or raises ValueError."""
    if name not in self.columns:
      raise ValueError(
        f"{self.path}: no column {name!r}.{suggest(name, self.columns)}"
      )
    return self.columns[name]

  def keep(self, mask: np.ndarray) -> Table:
    """Returns the rows where `mask` [M] is true."""
    columns = {name: column[mask] for name, column in self.columns.items()}
    return Table(self.path, self.rows[mask], columns)

  def has_numbers(self, name: str) -> bool:
    """Returns whether any field of a column is a number."""
    values = _parse(self.column(name)).values()
    return bool(np.isfinite(list(values)).any())

  def numbers(self, name: str) -> np.ndarray:
    """Returns a column of numbers, NaN where empty: [M] float32.

    Raises:
      ValueError: A field is not a number; the message names the row.
    """
    column = self.column(name)
    parsed = _parse(column)
    with np.errstate(over="ignore"):  # What is too large becomes infinite.
      values = np.asarray([parsed[text] for text in column], np.float32)
    wrong = np.isinf(values)
    if wrong.any():
      i = int(np.argmax(wrong))
      raise ValueError(
        f"{self.path}: row {self.rows[i]}, column {name!r}: {column[i]!r} is"
        " not a number"
      )
    return values

  def words(self, name: str, valid: Sequence[str]) -> np.ndarray:
    """Returns a column that holds nothing but the words of `valid`.

    Raises:
      ValueError: A field is another word; the message names the row.
    """
    column = self.column(name)
    wrong = ~np.isin(column, valid)
    if wrong.any():
      i = int(np.argmax(wrong))
      raise ValueError(
        f"{self.path}: row {self.rows[i]}: {name} {column[i]!r}."
        f"{suggest(column[i], valid)}"
      )
    return column


def read_table(path: str | os.PathLike[str]) -> Table:
  """Reads a CSV file with a header; a name in `.gz` says it is compressed.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged, empty, or a row has too few or too many
      fields.
  """
  opened = gzip.open if str(path).endswith(".gz") else open
  rows, lines = [], []
  try:
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
      reader = csv.reader(file)
      header = next(reader, [])
      if len(set(header)) != len(header):
        raise ValueError("two columns of the header have the same name")
      for row, line in enumerate(reader, start=1):
        if not any(line):
          continue
        if len(line) != len(header):
          raise ValueError(
            f"row {row} has {len(line)} fields, but the header {len(header)}"
          )
        rows.append(row)
        lines.append(line)
    if not rows:
      raise ValueError("no rows below the header")
  except FileNotFoundError:
    raise FileNotFoundError(f"{path}: no such file") from None
  except (ValueError, EOFError, csv.Error, zlib.error, OSError) as error:
    raise ValueError(f"{path}: {error}") from error
  columns = [np.asarray(column, object) for column in zip(*lines, strict=True)]
  return Table(
    str(path), np.asarray(rows), dict(zip(header, columns, strict=True))
  )


def _parse(fields: np.ndarray) -> dict[str, float]:
  """Returns the number of each distinct text; NaN = missing, inf = none."""
  numbers = {}
  for text in set(fields):
    try:
      numbers[text] = float(text)
    except ValueError:
      missing = text.strip().lower() in _MISSING
      numbers[text] = np.nan if missing else np.inf
  return numbers
