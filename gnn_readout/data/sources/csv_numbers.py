"""Tables of numbers in CSV files, gzipped or not, without a header.

Arrow reads them, some megabytes at a time. Rows are looked at one by one only
where it refuses some, or where a byte stands that no plain number has, and
the first wrong field is named.
"""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from gnn_readout.data.sources import archives
from gnn_readout.errors import brief, quoted
from gnn_readout.wording import counted

_CHUNK_BYTES = 1 << 20
_MAX_LINE = 16 << 20
_BLANKS = b" \t\r"
_LARGEST = float(np.finfo(np.float32).max)

_MAX_COLUMNS = 100_000

DAMAGE = (*archives.DAMAGE, gzip.BadGzipFile)

# A file, a gzipped file if its name says so, or a member of a zip.
Path = str | os.PathLike[str] | zipfile.Path


class _Grammar(NamedTuple):
  """Which texts are numbers, and of what kind.

  Attributes:
    what: The kind in words.
    field: What a whole field looks like, without blanks around it.
    plain: The bytes of a file that Arrow reads just as `field` would have it.
    empty: Texts that stand for a missing number.
    dtype: Type of the numbers.
  """

  what: str
  field: re.Pattern[bytes]
  plain: bytes
  empty: tuple[str, ...]
  dtype: type


_WHOLE = _Grammar(
  "a whole number", re.compile(rb"\d+"), b"0123456789,\n", (), np.int32
)
_SIGNED = _WHOLE._replace(
  field=re.compile(rb"[+-]?\d+"), plain=_WHOLE.plain + b"- "
)
_POINTED = _SIGNED._replace(field=re.compile(rb"[+-]?\d+(\.0*)?"))
_REAL = _Grammar(
  "a number",
  re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:nan)|"),
  b"0123456789,\n.-+eEna",
  ("", "nan"),
  np.float32,
)
_LOOSE_REAL = _REAL._replace(plain=_REAL.plain + b" ")


def read_integers(
  path: Path,
  num_columns: int,
  num_rows: int | None = None,
  reason: str = "",
  dtype: type = np.int32,
  sizes: tuple[int, ...] | None = None,
  loose: bool = False,
  with_point: bool = False,
) -> np.ndarray:
  """Reads a table of non-negative integers.

  Args:
    path: A file without a header.
    num_columns: Fields per row.
    num_rows: If given, the rows that there must be.
    reason: Why so many, for the error message.
    dtype: Type of the result.
    sizes: If given, one per column: values must be below.
    loose: Whether blanks around a field, a sign before it and blank lines at
      the end are allowed.
    with_point: Whether `2.0` is allowed for 2, where `loose` is.

  Returns:
    [num_rows, num_columns].

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged, or a field is not such a number; the
      message names file, row and text. Rows count from 1.
  """
  grammar = _WHOLE
  if loose:
    grammar = _POINTED if with_point else _SIGNED
  tables = _tables(path, num_columns, grammar, loose)
  if sizes is not None:
    tables = _below(path, tables, np.asarray(sizes, np.int32))
  return _stack(path, tables, num_columns, dtype, num_rows, reason)


def read_reals(
  path: Path,
  num_columns: int,
  num_rows: int | None = None,
  reason: str = "",
  loose: bool = False,
) -> np.ndarray:
  """Reads a table of numbers in which a field may be empty.

  Args:
    path: A file without a header.
    num_columns: Fields per row.
    num_rows: If given, the rows that there must be.
    reason: Why so many, for the error message.
    loose: Whether blanks around a field and blank lines at the end are
      allowed.

  Returns:
    [num_rows, num_columns] float32, NaN where the field is empty or `nan`.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: As `read_integers`.
  """
  tables = _tables(path, num_columns, _LOOSE_REAL if loose else _REAL, loose)
  return _stack(path, tables, num_columns, np.float32, num_rows, reason)


def count_columns(path: Path) -> int:
  """Returns the number of fields in the first row of a file.

  Raises:
    ValueError: As `read_integers`, or if there are too many.
  """
  first = next(_lines(path), b"")
  columns = first.partition(b"\n")[0].count(b",") + 1
  if columns > _MAX_COLUMNS:
    raise ValueError(
      f"{path}: row 1 has {columns:,} fields, more than {_MAX_COLUMNS:,}"
    )
  return columns


def _tables(
  path: Path, num_columns: int, grammar: _Grammar, loose: bool
) -> Iterator[np.ndarray]:
  """Yields the rows of a file, some megabytes at a time."""
  row = 1
  for chunk in _chunks(path, loose):
    table = None
    if not chunk.translate(None, grammar.plain):
      table = _parse(chunk, num_columns, grammar)
    if table is None:
      table = _read_fields(path, chunk, row, num_columns, grammar, loose)
    yield table
    row += len(table)


def _parse(
  chunk: bytes, num_columns: int, grammar: _Grammar
) -> np.ndarray | None:
  """Returns the rows that Arrow reads in a text, None if it refuses one."""
  import pyarrow as pa
  from pyarrow import csv

  names = [str(column) for column in range(num_columns)]
  kind = pa.from_numpy_dtype(grammar.dtype)
  try:
    columns = csv.read_csv(
      pa.BufferReader(chunk),
      csv.ReadOptions(
        use_threads=False, block_size=len(chunk) + 1, column_names=names
      ),
      csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
      csv.ConvertOptions(
        column_types=dict.fromkeys(names, kind),
        null_values=list(grammar.empty),
      ),
      memory_pool=pa.system_memory_pool(),  # Arrow's own keeps what it had.
    )
  except pa.ArrowInvalid:
    return None
  table = np.empty((columns.num_rows, num_columns), grammar.dtype)
  for i, column in enumerate(columns.columns):
    # Arrow's own way to numpy imports pandas, which takes longer than reading.
    valid, values = column.combine_chunks().buffers()
    table[:, i] = np.frombuffer(values, grammar.dtype, len(table))
    if column.null_count:
      bits = np.frombuffer(valid, np.uint8)
      there = np.unpackbits(bits, count=len(table), bitorder="little")
      table[there == 0, i] = np.nan
  return None if np.isinf(table).any() else table


def _read_fields(
  path: Path,
  chunk: bytes,
  first_row: int,
  num_columns: int,
  grammar: _Grammar,
  loose: bool,
) -> np.ndarray:
  """Returns the rows of a text, or raises ValueError at the first wrong one."""
  lines = chunk.split(b"\n")[:-1]
  table = np.empty((len(lines), num_columns), grammar.dtype)
  for i, line in enumerate(lines):
    place = f"{path}: row {first_row + i}"
    width = line.count(b",") + 1
    if width != num_columns:
      raise ValueError(
        f"{place} has {counted(width, 'field')}, expected {num_columns}"
      )
    for column, text in enumerate(line.split(b",")):
      field = text.strip(_BLANKS) if loose else text
      value = _value(field, grammar)
      if value is None:
        raise ValueError(
          f"{place}, column {column + 1}: {quoted(field)} is not {grammar.what}"
        )
      table[i, column] = value
  return table


def _value(field: bytes, grammar: _Grammar) -> float | int | None:
  """Returns the number that a field holds, None if there is none."""
  if not grammar.field.fullmatch(field):
    return None
  if grammar.dtype is np.int32:
    digits = field.partition(b".")[0]
    value = int(digits) if len(digits) < 12 else 1 << 31
    return value if abs(value) < 1 << 31 else None
  value = float(field or "nan")
  return None if abs(value) > _LARGEST else value


def _below(
  path: Path, tables: Iterable[np.ndarray], sizes: np.ndarray
) -> Iterator[np.ndarray]:
  """Yields the tables unless a value is as large as its column's size."""
  row = 1
  for table in tables:
    wrong = table >= sizes
    if wrong.any():
      i, column = np.unravel_index(np.argmax(wrong), wrong.shape)
      raise ValueError(
        f"{path}: row {row + i}, column {column + 1}: '{table[i, column]}' is"
        f" not below {sizes[column]}, the size of the vocabulary"
      )
    yield table
    row += len(table)


def _stack(
  path: Path,
  tables: Iterable[np.ndarray],
  num_columns: int,
  dtype: type,
  num_rows: int | None,
  reason: str,
) -> np.ndarray:
  """Puts tables of rows under each other: [num_rows, num_columns]."""
  if num_rows is None:
    parts = [table.astype(dtype) for table in tables]
    return np.concatenate([np.empty((0, num_columns), dtype), *parts])
  try:
    whole = np.empty((num_rows, num_columns), dtype)  # No second copy.
  except (MemoryError, ValueError):
    raise ValueError(
      f"{path}: {num_rows:,} rows expected{reason}, too many for the memory"
    ) from None
  row = 0
  for table in tables:
    if row + len(table) <= num_rows:
      whole[row : row + len(table)] = table
    row += len(table)
  if row != num_rows:
    raise ValueError(
      f"{path}: {counted(row, 'row')}, expected {num_rows}{reason}"
    )
  return whole


def _chunks(path: Path, loose: bool) -> Iterator[bytes]:
  """Yields the text of a file in pieces that end with a newline.

  Args:
    path: As `read_integers` takes it.
    loose: Whether lines may end as on Windows, and blank ones at the end are
      left out.
  """
  blank = b""  # Lines that may be the last ones.
  for chunk in _lines(path):
    if loose:
      chunk = blank + chunk.replace(b"\r\n", b"\n")
      kept = chunk.rstrip(_BLANKS + b"\n")
      end = chunk.find(b"\n", len(kept)) + 1 if kept else 0
      chunk, blank = chunk[:end], chunk[end:]
    if chunk:
      yield chunk


def _lines(path: Path) -> Iterator[bytes]:
  """Yields the text of a file as it is, in pieces that end with a newline."""
  if isinstance(path, str | os.PathLike):
    path = pathlib.Path(path)
  packed = path.name.endswith(".gz")
  rest, row = b"", 1
  try:
    with path.open("rb") as raw:  # A file, or a member of a zip.
      if packed and not raw.peek(1):  # Python reads it as an empty text.
        raise ValueError(f"{path}: truncated gzip file: 0 bytes")
      file = gzip.GzipFile(fileobj=raw) if packed else raw
      while chunk := file.read(_CHUNK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
          yield rest + chunk[:cut]
          row += chunk.count(b"\n")
        rest = chunk[cut:] if cut else rest + chunk
        if len(rest) > _MAX_LINE:
          raise ValueError(
            f"{path}: row {row} is longer than {_MAX_LINE >> 20} MB"
          )
  except DAMAGE as error:
    why = brief(str(error), 200)
    raise ValueError(f"{path}: truncated or corrupt: {why}") from error
  except OSError as error:
    if error.errno is not None:
      raise
    raise ValueError(f"{path}: corrupt: {error}") from error  # Of bzip2.
  if rest:
    yield rest + b"\n"
