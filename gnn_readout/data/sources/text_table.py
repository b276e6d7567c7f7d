"""CSV files with a header, read strictly: every row is whole or named.

Arrow reads a file without quotes at once. Python's reader, slower and able to
say what is wrong where, takes all others, and those that Arrow refuses.

Letters: M rows, D distinct texts of a column.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gnn_readout.data.sources.csv_numbers import DAMAGE
from gnn_readout.errors import quoted, suggest
from gnn_readout.wording import counted

# How a table file may be called, and what stands between its fields; `.gz`
# after it says that it is compressed.
DELIMITERS = {".csv": ",", ".tsv": "\t", ".smi": None}
MISSING = ("", "nan", "na", "n/a", "none", "null")

_MAX_BYTES = (1 << 31) - 2  # What Arrow counts in 32 bits.
_MAX_LINE = 64 << 20
_MAX_HEADER = 20  # Lines.
_MAX_COLUMNS = 100_000
_MAX_FIELDS = 1_000_000  # Of a line, some of them maybe in one text.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UNNAMED = re.compile(r"(Unnamed: \d+)?")  # As pandas calls such a column.


class Column(NamedTuple):
  """The fields of a column, each distinct text once.

  Attributes:
    texts: [D] text.
    codes: [M] int32, which of them each row has.
  """

  texts: np.ndarray
  codes: np.ndarray

  @property
  def fields(self) -> np.ndarray:
    """[M] text."""
    return self.texts[self.codes]

  def keep(self, mask: np.ndarray) -> Column:
    """Returns the rows where `mask` [M] is true, and no text of others."""
    used, codes = np.unique(self.codes[mask], return_inverse=True)
    return Column(self.texts[used], codes.astype(np.int32))


class Table(NamedTuple):
  """Fields as text, by column.

  Attributes:
    path: Path of the file.
    rows: [M] the number of each row, counted from 1 after the header.
    columns: Columns by name; those without a name are left out.
  """

  path: str
  rows: np.ndarray
  columns: dict[str, Column]

  def column(self, name: str) -> Column:
    """Returns the column `name`, or raises ValueError."""
    if name not in self.columns:
      raise ValueError(
        f"{self.path}: no column {name!r}.{suggest(name, self.columns)}"
      )
    return self.columns[name]

  def keep(self, mask: np.ndarray) -> Table:
    """Returns the rows where `mask` [M] is true."""
    columns = {name: column.keep(mask) for name, column in self.columns.items()}
    return Table(self.path, self.rows[mask], columns)

  def numbers(self, name: str) -> np.ndarray:
    """Returns a column of numbers, NaN where one is missing: [M] float32.

    Raises:
      ValueError: A field is no number, or beyond float32; the message names
        the row.
    """
    column = self.column(name)
    values = np.asarray([number(text) for text in column.texts], np.float64)
    with np.errstate(over="ignore"):  # What is too large becomes infinite.
      values = values.astype(np.float32)
    if np.isinf(values).any():
      i = int(np.argmax(np.isinf(values)[column.codes]))
      text = column.fields[i]
      large = np.isfinite(number(text))
      raise ValueError(
        f"{self.path}: row {self.rows[i]}, column {name!r}: {quoted(text)} is"
        + (" out of float32's range" if large else " not a number")
      )
    return values[column.codes]


def number(text: str) -> float:
  """Returns the number in a field; NaN = missing, infinite = none.

  The grammar is that of `csv_numbers`: `1_5`, `0x10` and `inf` are none.
  """
  text = text.strip()
  if _NUMBER.fullmatch(text):
    value = float(text)
    # Of more than float64's range: a number, and too large for any use.
    return value if np.isfinite(value) else np.finfo(np.float64).max
  return np.nan if text.lower() in MISSING else np.inf


def is_table(path: str) -> bool:
  """Returns whether a file is one of these, by its name."""
  return _suffix(path) in DELIMITERS


def read_table(path: str | os.PathLike[str]) -> Table:
  """Reads a table file: CSV, tabs in `.tsv`, SMILES and a name in `.smi`.

  A file `.smi` has no header; its columns are called `smiles` and `name`.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged, empty or no UTF-8, two columns share a
      name, or a row has too few or too many fields; the message names the row.
  """
  try:
    text = _read_text(path)
    if (delimiter := DELIMITERS.get(_suffix(path), ",")) is None:
      return _read_smi(path, text)
    return _read_csv(path, text, delimiter)
  except FileNotFoundError:
    raise FileNotFoundError(f"{path}: no such file") from None
  except (ValueError, OSError, *DAMAGE) as error:
    raise ValueError(f"{path}: {error}") from error


def _suffix(path: str | os.PathLike[str]) -> str:
  path = pathlib.Path(str(path).lower())
  return (path.with_suffix("") if path.suffix == ".gz" else path).suffix


def _read_text(path: str | os.PathLike[str]) -> bytes:
  """Returns the bytes of a file, its mark of UTF-8 left out."""
  opened = gzip.open if str(path).lower().endswith(".gz") else open
  with opened(path, "rb") as file:
    text = file.read(_MAX_BYTES + 1)
  if len(text) > _MAX_BYTES:
    raise ValueError(f"it holds more than {_MAX_BYTES >> 20:,} MB of text")
  if text.startswith((b"\xff\xfe", b"\xfe\xff")):
    raise ValueError("it is encoded as UTF-16: save it as UTF-8")
  text = text.removeprefix(b"\xef\xbb\xbf")
  ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
  lengths = np.diff(ends, prepend=-1, append=len(text))
  if lengths.max() > _MAX_LINE:
    row = int(np.argmax(lengths > _MAX_LINE))
    raise ValueError(f"{_place(row)} is longer than {_MAX_LINE >> 20} MB")
  for row in np.flatnonzero(lengths > _MAX_FIELDS):
    end = ends[row] if row < len(ends) else len(text)
    for delimiter in b",", b"\t":
      count = text.count(delimiter, max(0, end - lengths[row]), end)
      if count > _MAX_FIELDS:
        raise ValueError(
          f"{_place(row)} has {count:,} of {chr(delimiter[0])!r}, more than"
          f" {_MAX_FIELDS:,}"
        )
  return text


def _place(row: int) -> str:
  return f"row {row}" if row else "the header"


def _decoded(text: bytes) -> str:
  try:
    return text.decode()
  except UnicodeDecodeError as error:
    row = text.count(b"\n", 0, error.start)
    raise ValueError(
      f"{_place(row)}: the byte 0x{text[error.start]:02x} is not valid UTF-8:"
      " save the file as UTF-8"
    ) from None


def _read_smi(path: str | os.PathLike[str], text: bytes) -> Table:
  """Reads lines of a SMILES and, after a blank, a name."""
  lines = _decoded(text).splitlines()
  kept = [(row, line.split(None, 1)) for row, line in enumerate(lines, 1)]
  kept = [(row, fields) for row, fields in kept if fields]
  if not kept:
    raise ValueError("it holds no SMILES")
  rows, fields = zip(*kept, strict=True)
  smiles = [first for first, *_ in fields]
  names = [rest[0].strip() if rest else "" for _, *rest in fields]
  columns = {"smiles": _encode(smiles), "name": _encode(names)}
  return Table(str(path), np.asarray(rows), columns)


def _read_csv(
  path: str | os.PathLike[str], text: bytes, delimiter: str
) -> Table:
  """Reads a header and the rows below it."""
  start, header = _header(text, delimiter)
  _check_header(header, delimiter)
  body = text[start:]
  rows, columns = _parse(body, header, delimiter) or _read_rows(
    _decoded(text), header, delimiter
  )
  # A row of nothing but blanks is none; it counts, though.
  blank = np.ones(len(rows), bool)
  for column in columns:
    blank &= np.asarray([not field for field in column.texts])[column.codes]
  if blank.all():
    raise ValueError("no rows below the header")
  named = {
    name: column
    for name, column in zip(header, columns, strict=True)
    if not _UNNAMED.fullmatch(name.strip())
  }
  table = Table(str(path), rows, named)
  return table.keep(~blank) if blank.any() else table


def _header(text: bytes, delimiter: str) -> tuple[int, list[str]]:
  """Returns where the first row ends, and its fields."""
  end = 0
  for _ in range(_MAX_HEADER):  # A quoted name may go over several lines.
    end = text.find(b"\n", end) + 1 or len(text)
    line = _decoded(text[:end])
    if end == len(text) or line.count('"') % 2 == 0:
      break
  if "\r" in line.rstrip("\r\n"):  # As old Macs end a line.
    end = text.index(b"\r") + 1
    line = _decoded(text[:end])
  try:
    with _long_fields():
      return end, next(csv.reader([line], delimiter=delimiter, strict=True), [])
  except csv.Error as error:
    raise ValueError(f"the header: {error}: is a quote left open?") from None


def _check_header(header: Sequence[str], delimiter: str) -> None:
  if len(header) > _MAX_COLUMNS:
    raise ValueError(
      f"the header has {len(header):,} fields, more than {_MAX_COLUMNS:,}"
    )
  seen: dict[str, int] = {}
  for i, name in enumerate(header, start=1):
    if name.strip() and name in seen:
      raise ValueError(
        f"columns {seen[name]} and {i} of the header have the same name,"
        f" {quoted(name)}"
      )
    seen[name] = i
  if len(header) == 1:
    for other in ";", "\t", ",":
      if other != delimiter and other in header[0]:
        raise ValueError(
          f"the header is one column, {quoted(header[0])}: fields are"
          f" separated by {delimiter!r}, not by {other!r}"
        )


def _parse(
  body: bytes, header: Sequence[str], delimiter: str
) -> tuple[np.ndarray, list[Column]] | None:
  """Returns rows and columns as Arrow reads them, None if it had better not."""
  if not header or b'"' in body:
    return None
  import pyarrow as pa
  from pyarrow import csv as arrow_csv

  body = body.rstrip(b"\r\n")
  names = [str(i) for i in range(len(header))]
  kind = pa.dictionary(pa.int32(), pa.string())
  try:
    table = arrow_csv.read_csv(
      pa.BufferReader(body),
      arrow_csv.ReadOptions(
        use_threads=False, block_size=len(body) + 1, column_names=names
      ),
      arrow_csv.ParseOptions(
        delimiter=delimiter, quote_char=False, ignore_empty_lines=False
      ),
      arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, kind), null_values=[]
      ),
      memory_pool=pa.system_memory_pool(),
    )
  except pa.ArrowInvalid:
    return None
  columns = []
  for column in table.columns:
    whole = column.combine_chunks()
    codes = np.frombuffer(whole.indices.buffers()[1], np.int32, len(whole))
    texts = np.asarray(whole.dictionary.to_pylist(), object)
    columns.append(Column(texts, codes))
  return np.arange(1, table.num_rows + 1), columns


def _read_rows(
  text: str, header: Sequence[str], delimiter: str
) -> tuple[np.ndarray, list[Column]]:
  """Returns rows and columns, or raises ValueError at the first wrong row."""
  width, rows, lines = len(header), [], []
  for row, line in enumerate(_records(text, delimiter)):
    if not row or not any(line):
      continue
    if len(line) > width and not any(line[width:]):
      line = line[:width]  # Commas at the end and nothing between them.
    if len(line) != width:
      raise ValueError(
        f"row {row} has {counted(len(line), 'field')}, but the header {width}"
      )
    for field in line:
      _check_lines(field, row, width, delimiter)
    rows.append(row)
    lines.append(line)
  if not rows:
    raise ValueError("no rows below the header")
  return np.asarray(rows), [_encode(c) for c in zip(*lines, strict=True)]


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
  """Yields the fields of each row, the header first."""
  reader = csv.reader(
    io.StringIO(text, newline=""), delimiter=delimiter, strict=True
  )
  row = 0
  with _long_fields():
    while True:
      try:
        yield next(reader)
      except StopIteration:
        return
      except csv.Error as error:
        raise ValueError(
          f"{_place(row)}: {error}: a quote is left open, or stands in the"
          " middle of a field"
        ) from None
      row += 1


def _check_lines(field: str, row: int, width: int, delimiter: str) -> None:
  """Raises ValueError if a field holds whole rows: a quote was not closed."""
  if "\n" not in field:
    return
  inner = field.split("\n")[1:-1]
  if len(inner) > 1 and all(
    line.count(delimiter) == width - 1 for line in inner
  ):
    raise ValueError(
      f"row {row} has a field of {len(inner) + 2} lines that look like rows: a"
      f" quote is left open, {quoted(field)}"
    )


class _long_fields:
  """Lets Python's reader take fields of any length, for a while."""

  def __enter__(self) -> None:
    self._limit = csv.field_size_limit(_MAX_BYTES)

  def __exit__(self, *unused: object) -> None:
    csv.field_size_limit(self._limit)


def _encode(fields: Sequence[str]) -> Column:
  places: dict[str, int] = {}
  codes = [places.setdefault(field, len(places)) for field in fields]
  return Column(np.asarray([*places], object), np.asarray(codes, np.int32))
