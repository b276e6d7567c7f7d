"""Tables of numbers in gzipped CSV files, without a header.

The text is split with numpy in blocks of a megabyte: as fast as a parser in
C, in little memory, and a wrong field is found with its row.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

_BLOCK_BYTES = 1 << 20
_COMMA, _NEWLINE, _POINT, _ZERO = b",\n.0"
_MAX_DIGITS = 9  # What int32 holds.


def read_integers(
  path: str | os.PathLike[str],
  num_columns: int,
  num_rows: int | None = None,
  reason: str = "",
  dtype: type = np.int32,
  sizes: tuple[int, ...] | None = None,
) -> np.ndarray:
  """Reads a table of non-negative integers.

  Args:
    path: A `.csv.gz` file without a header.
    num_columns: Fields per row.
    num_rows: If given, the rows that there must be.
    reason: Why so many, for the error message.
    dtype: Of the result.
    sizes: If given, one per column: values must be below.

  Returns:
    [num_rows, num_columns].

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged, or a field is not such a number; the
      message names file, row and text. Rows count from 1.
  """
  limits = None if sizes is None else np.asarray(sizes, np.int32)
  blocks = (_integers(b, limits) for b in _blocks(path, num_columns))
  return _stack(path, blocks, num_columns, dtype, num_rows, reason)


def read_reals(
  path: str | os.PathLike[str],
  num_columns: int,
  num_rows: int | None = None,
  reason: str = "",
) -> np.ndarray:
  """Reads a table of numbers in which a field may be empty.

  Args:
    path: A `.csv.gz` file without a header.
    num_columns: Fields per row.
    num_rows: If given, the rows that there must be.
    reason: Why so many, for the error message.

  Returns:
    [num_rows, num_columns] float32, NaN where the field is empty or `nan`.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: As `read_integers`.
  """
  blocks = (_reals(b) for b in _blocks(path, num_columns))
  return _stack(path, blocks, num_columns, np.float32, num_rows, reason)


class _Block(NamedTuple):
  """Some whole rows of a file, and where their fields are."""

  path: str | os.PathLike[str]
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


def _integers(block: _Block, sizes: np.ndarray | None) -> np.ndarray:
  """Returns the numbers of a block: [rows, num_columns] int32."""
  lengths = block.ends - block.starts
  wrong = (lengths == 0) | (lengths > _MAX_DIGITS)
  values = np.zeros(len(lengths), np.int32)
  for place in range(min(int(lengths.max()), _MAX_DIGITS)):
    # Every field has a last digit; ever fewer have one before it.
    some = np.flatnonzero(lengths > place) if place else slice(None)
    digits = block.text[block.ends[some] - 1 - place] - np.uint8(_ZERO)
    wrong[some] |= digits > 9  # Bytes below "0" wrap around.
    values[some] += digits * np.int32(10**place)
  block.check(wrong, "a whole number")
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
  with np.errstate(over="ignore"):  # What is too large becomes infinite.
    for i in np.flatnonzero(~simple & (lengths > 0)):
      try:
        values[i] = float(text[starts[i] : block.ends[i]].tobytes())
      except ValueError:
        wrong[i] = True
  wrong |= np.isinf(values)
  block.check(wrong, "a number")
  return values.reshape(-1, block.num_columns)


def _stack(
  path: str | os.PathLike[str],
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


def _blocks(path: str | os.PathLike[str], num_columns: int) -> Iterator[_Block]:
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
    yield _Block(path, row, num_columns, text, starts, ends)
    row += len(widths)


def _chunks(path: str | os.PathLike[str]) -> Iterator[bytes]:
  """Yields the text of a gzip file in pieces that end with a newline."""
  if os.path.getsize(path) == 0:  # Python reads it as an empty text.
    raise ValueError(f"{path}: truncated gzip file: 0 bytes")
  rest = b""
  try:
    with gzip.open(path) as file:
      while chunk := file.read(_BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
          yield rest + chunk[:cut]
        rest = chunk[cut:] if cut else rest + chunk
  except (EOFError, zlib.error, gzip.BadGzipFile) as error:
    raise ValueError(f"{path}: truncated or corrupt: {error}") from error
  if rest:
    yield rest + b"\n"
