"""Tables of numbers in CSV files, gzipped or not, without a header.

The text is split with numpy in blocks of a megabyte: as fast as a parser in
C, in little memory, and a wrong field is found with its row.
"""

from __future__ import annotations

import gzip
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

_BLOCK_BYTES = 1 << 20
_COMMA, _NEWLINE, _POINT, _ZERO, _PLUS, _MINUS = b",\n.0+-"
_BLANKS = tuple(b" \t\r")
_MAX_DIGITS = 9  # What int32 holds.
# Whole numbers below 10^15 and powers up to 10^15 are exact in float64, so
# their quotient is rounded once, as Python rounds what it reads.
_MAX_PLAIN_DIGITS = 15

_DAMAGE = (
  EOFError,
  zlib.error,
  gzip.BadGzipFile,
  zipfile.BadZipFile,
  RuntimeError,  # An encrypted member of a zip.
)

# A file, a gzipped file if its name says so, or a member of a zip.
Path = str | os.PathLike[str] | zipfile.Path


def read_integers(
  path: Path,
  num_columns: int,
  num_rows: int | None = None,
  reason: str = "",
  dtype: type = np.int32,
  sizes: tuple[int, ...] | None = None,
  loose: bool = False,
) -> np.ndarray:
  """Reads a table of non-negative integers.

  Args:
    path: A file without a header.
    num_columns: Fields per row.
    num_rows: If given, the rows that there must be.
    reason: Why so many, for the error message.
    dtype: Of the result.
    sizes: If given, one per column: values must be below.
    loose: Whether blanks around a field and a sign before it are allowed.

  Returns:
    [num_rows, num_columns].

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged, or a field is not such a number; the
      message names file, row and text. Rows count from 1.
  """
  limits = None if sizes is None else np.asarray(sizes, np.int32)
  blocks = _blocks(path, num_columns, loose)
  tables = (_integers(block, limits, loose) for block in blocks)
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
    loose: Whether blanks around a field are allowed.

  Returns:
    [num_rows, num_columns] float32, NaN where the field is empty or `nan`.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: As `read_integers`.
  """
  tables = (_reals(block) for block in _blocks(path, num_columns, loose))
  return _stack(path, tables, num_columns, np.float32, num_rows, reason)


def count_columns(path: Path) -> int:
  """Returns the number of fields in the first row of a file."""
  first = next(_chunks(path), b"")
  return first.partition(b"\n")[0].count(b",") + 1


class _Block(NamedTuple):
  """Some whole rows of a file, and where their fields are."""

  path: Path
  first_row: int
  num_columns: int
  text: np.ndarray  # Bytes.
  starts: np.ndarray  # First byte of each field.
  ends: np.ndarray  # One past the last byte.

  def check(self, wrong: np.ndarray, right: str) -> None:
    """Raises ValueError at the first wrong field, if there is one."""
    if wrong.any():
      i = int(np.argmax(wrong))
      row, column = divmod(i, self.num_columns)
      field = self.text[self.starts[i] : self.ends[i]].tobytes()
      raise ValueError(
        f"{self.path}: row {self.first_row + row}, column {column + 1}:"
        f" {field.decode(errors='replace')!r} is not {right}"
      )


def _integers(
  block: _Block, sizes: np.ndarray | None, signed: bool
) -> np.ndarray:
  """Returns the numbers of a block: [rows, num_columns] int32."""
  sign = block.text[block.starts] if signed else np.uint8(0)
  lengths = block.ends - block.starts - _is_sign(sign)
  wrong = (lengths == 0) | (lengths > _MAX_DIGITS)
  values = np.zeros(len(lengths), np.int32)
  for place in range(min(int(lengths.max()), _MAX_DIGITS)):
    # Every field has a last digit; ever fewer have one before it.
    some = np.flatnonzero(lengths > place) if place else slice(None)
    digits = block.text[block.ends[some] - 1 - place] - np.uint8(_ZERO)
    wrong[some] |= digits > 9  # Bytes below "0" wrap around.
    values[some] += digits * np.int32(10**place)
  block.check(wrong, "a whole number")
  if signed:
    values[sign == _MINUS] *= -1
  values = values.reshape(-1, block.num_columns)
  if sizes is not None and (values.max(axis=0) >= sizes).any():
    column = int(np.argmax(values.max(axis=0) >= sizes))
    block.check(
      ((values >= sizes) & (np.arange(len(sizes)) == column)).ravel(),
      f"below {sizes[column]}, the size of the vocabulary",
    )
  return values


def _reals(block: _Block) -> np.ndarray:
  """Returns the numbers of a block: [rows, num_columns] float32."""
  text, starts = block.text, block.starts
  lengths = block.ends - starts
  values = np.full(len(lengths), np.nan, np.float32)
  # Nearly every label is empty or like `1` or `1.0`: no need to parse it.
  digits = text[starts] - np.uint8(_ZERO)
  third = np.minimum(starts + 2, len(text) - 1)
  simple = (lengths == 3) & (text[third - 1] == _POINT) & (text[third] == _ZERO)
  simple = (simple | (lengths == 1)) & (digits <= 9)
  values[simple] = digits[simple]
  wrong = np.zeros(len(lengths), bool)
  rest = np.flatnonzero(~simple & (lengths > 0))
  values[rest], plain = _decimals(text, starts[rest], block.ends[rest])
  with np.errstate(over="ignore"):  # What is too large becomes infinite.
    for i in rest[~plain]:
      try:
        values[i] = float(text[starts[i] : block.ends[i]].tobytes())
      except ValueError:
        wrong[i] = True
  wrong |= np.isinf(values)
  block.check(wrong, "a number")
  return values.reshape(-1, block.num_columns)


def _decimals(
  text: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Reads fields such as `-12.5`, without an exponent.

  Args:
    text: Bytes.
    starts: [M] first byte of each field, none of which is empty.
    ends: [M] one past the last.

  Returns:
    The numbers [M], float64, and which of them [M] are right: a field of
    another kind, or with too many digits, is left to a slower parser.
  """
  sign = text[starts]
  lengths = ends - starts - _is_sign(sign)
  value, decimals = np.zeros((2, len(starts)), np.int64)
  points = np.zeros(len(starts), np.int64)
  plain = lengths <= _MAX_PLAIN_DIGITS
  for place in range(min(int(lengths.max(initial=0)), _MAX_PLAIN_DIGITS)):
    some = np.flatnonzero(lengths > place)
    byte = text[ends[some] - 1 - place]
    digit = byte - np.uint8(_ZERO)  # Bytes below "0" wrap around.
    is_digit, is_point = digit <= 9, byte == _POINT
    plain[some] &= is_digit | is_point
    scale = 10 ** np.maximum(place - points[some], 0)
    value[some] += np.where(is_digit, digit, 0) * scale
    decimals[some] += np.where(is_point, place, 0)
    points[some] += is_point
  plain &= (points <= 1) & (lengths > points)
  result = value / 10.0 ** np.minimum(decimals, _MAX_PLAIN_DIGITS)
  return np.where(sign == _MINUS, -result, result), plain


def _is_sign(byte: np.ndarray) -> np.ndarray:
  return (byte == _MINUS) | (byte == _PLUS)


def _stack(
  path: Path,
  blocks: Iterable[np.ndarray],
  num_columns: int,
  dtype: type,
  num_rows: int | None,
  reason: str,
) -> np.ndarray:
  """Puts blocks of rows under each other: [num_rows, num_columns]."""
  if num_rows is None:
    parts = [block.astype(dtype) for block in blocks]
    return np.concatenate([np.empty((0, num_columns), dtype), *parts])
  table = np.empty((num_rows, num_columns), dtype)  # No second copy.
  row = 0
  for block in blocks:
    if row + len(block) <= num_rows:
      table[row : row + len(block)] = block
    row += len(block)
  if row != num_rows:
    raise ValueError(f"{path}: {row} rows, expected {num_rows}{reason}")
  return table


def _blocks(path: Path, num_columns: int, loose: bool) -> Iterator[_Block]:
  """Yields the rows of a file, a megabyte at a time."""
  row = 1
  for chunk in _chunks(path):
    text = np.frombuffer(chunk, np.uint8)
    ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    widths = np.diff(np.flatnonzero(text[ends] == _NEWLINE), prepend=-1)
    if (widths != num_columns).any():
      i = int(np.argmax(widths != num_columns))
      raise ValueError(
        f"{path}: row {row + i} has {widths[i]} fields, expected {num_columns}"
      )
    starts = np.concatenate([[0], ends[:-1] + 1])
    if loose:
      starts, ends = _strip(text, starts, ends)
    yield _Block(path, row, num_columns, text, starts, ends)
    row += len(widths)


def _strip(
  text: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns where the fields start and end without the blanks around them."""
  blank = np.isin(text, _BLANKS)
  while (more := blank[starts] & (starts < ends)).any():
    starts = starts + more
  while (more := blank[ends - 1] & (starts < ends)).any():
    ends = ends - more
  return starts, ends


def _chunks(path: Path) -> Iterator[bytes]:
  """Yields the text of a file in pieces that end with a newline."""
  if isinstance(path, str | os.PathLike):
    path = pathlib.Path(path)
  packed = path.name.endswith(".gz")
  if packed and os.path.getsize(path) == 0:  # Python reads it as an empty text.
    raise ValueError(f"{path}: truncated gzip file: 0 bytes")
  rest = b""
  try:
    with gzip.open(path) if packed else path.open("rb") as file:
      while chunk := file.read(_BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
          yield rest + chunk[:cut]
        rest = chunk[cut:] if cut else rest + chunk
  except _DAMAGE as error:
    raise ValueError(f"{path}: truncated or corrupt: {error}") from error
  if rest:
    yield rest + b"\n"
