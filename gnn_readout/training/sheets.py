"""Tables of predictions as files: CSV, Parquet, or NumPy's arrays.

One writer for each ending, for all that writes predictions. Letters: M rows, N
elements of all rows (such as the atoms of molecules), H numbers of an element.
"""

from __future__ import annotations

import csv
import io
import os
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.batches.collate import ranges
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_write_bytes
from gnn_readout.wording import no_formula

_MOST_BYTES = 1 << 32  # Of a column of texts that are padded to the longest.


class Ragged(NamedTuple):
  """Numbers of the elements of each row.

  Attributes:
    offsets: [M + 1], the first element of each row.
    values: [N, H].
  """

  offsets: np.ndarray
  values: np.ndarray

  def take(self, rows: np.ndarray) -> Ragged:
    """Returns some rows, in their order; -1 is a row without elements."""
    sizes = np.where(rows < 0, 0, np.diff(self.offsets, append=0)[rows])
    elements = ranges(self.offsets[:-1][rows * (rows >= 0)], sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Ragged(offsets, self.values[elements])

  def row(self, i: int) -> np.ndarray:
    """Returns [n, H], the numbers of the elements of row i."""
    return self.values[self.offsets[i] : self.offsets[i + 1]]


class Sheet(NamedTuple):
  """What a file of predictions holds.

  Columns are [M]: texts ('' = missing), whole numbers, or real numbers (NaN =
  missing), which are written with the digits of single precision.

  Attributes:
    keys: What tells the rows apart, by name.
    results: What is predicted, by name; `.npz` holds `arrays` instead.
    arrays: The same for programs, of any shape; `.npz` alone has them.
    vectors: [M, D] by name, for every kind of file.
    ragged: Numbers of elements, by name. A `.csv` has their mean over H, for
      each element one, with blanks between.
  """

  keys: Mapping[str, np.ndarray]
  results: Mapping[str, np.ndarray]
  arrays: Mapping[str, np.ndarray]
  vectors: Mapping[str, np.ndarray] = {}
  ragged: Mapping[str, Ragged] = {}


def check_path(path: str | os.PathLike[str]) -> str:
  """Returns the ending of a file that predictions can be written to.

  Raises:
    ValueError: If there is no such kind.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in _WRITERS:
    raise ValueError(
      f"predictions cannot be written to {os.fspath(path)!r}: its name must"
      f" end in one of the known suffixes.{suggest(suffix, _WRITERS)}"
    )
  return suffix


def write(path: str | os.PathLike[str], sheet: Sheet) -> None:
  """Writes a file, whole or not at all; its ending says of which kind.

  Raises:
    ValueError: If the ending is of no kind.
    OSError: If the file cannot be written.
  """
  atomic_write_bytes(path, _WRITERS[check_path(path)](sheet))


def check_keys(
  path: str | os.PathLike[str], keys: Mapping[str, np.ndarray]
) -> None:
  """Raises ValueError for columns that a file of this kind cannot hold."""
  if check_path(path) != ".npz":
    return
  texts = {name: x for name, x in keys.items() if x.dtype == object}
  for name, column in texts.items():
    longest = max(map(len, column), default=0)
    if 4 * longest * len(column) > _MOST_BYTES:
      raise ValueError(
        f"{path}: the column {name!r} has a text of {longest:,} characters,"
        " and .npz would pad every text to that length; write .csv or"
        " .parquet"
      )


def _as_csv(sheet: Sheet) -> bytes:
  columns = {
    name: _csv_fields(column)
    for part in (sheet.keys, sheet.results)
    for name, column in part.items()
  }
  for name, vectors in sheet.vectors.items():
    for i, column in enumerate(vectors.T):
      columns[f"{name} {i}"] = _csv_fields(column)
  for name, ragged in sheet.ragged.items():
    means = Ragged(ragged.offsets, ragged.values.mean(axis=1, keepdims=True))
    texts = np.asarray(_csv_fields(means.values[:, 0]), object)
    columns[name] = [
      " ".join(means._replace(values=texts).row(i))
      for i in range(len(ragged.offsets) - 1)
    ]
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(map(no_formula, columns))
  writer.writerows(zip(*columns.values(), strict=True))
  return text.getvalue().encode()


def _csv_fields(column: np.ndarray) -> list[Any]:
  """Returns a column for people: the shortest texts that are its numbers."""
  if column.dtype == object:
    return [no_formula(text) for text in column]
  if column.dtype.kind != "f":
    return column.tolist()
  return ["" if np.isnan(x) else str(x) for x in column.astype(np.float32)]


def _as_parquet(sheet: Sheet) -> bytes:
  import pyarrow as pa
  from pyarrow import parquet

  def of(column: np.ndarray) -> Any:
    if column.dtype == object:
      return pa.array([text or None for text in column], pa.string())
    if column.dtype.kind == "f":
      column = np.ascontiguousarray(column, np.float32)
      return pa.array(column, mask=np.isnan(column))
    return pa.array(column)

  def lists(values: np.ndarray) -> Any:
    if not values.size:  # Of a width that nobody knows.
      return pa.nulls(len(values), pa.list_(pa.float32(), 1))
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    missing = np.isnan(values).all(axis=1)
    return pa.FixedSizeListArray.from_arrays(
      flat, values.shape[1], mask=pa.array(missing)
    )

  columns = {k: of(x) for k, x in {**sheet.keys, **sheet.results}.items()}
  columns |= {name: lists(x) for name, x in sheet.vectors.items()}
  for name, (offsets, values) in sheet.ragged.items():
    columns[name] = pa.LargeListArray.from_arrays(
      pa.array(offsets.astype(np.int64)), lists(values)
    )
  file = io.BytesIO()
  parquet.write_table(pa.table(columns), file)
  return file.getvalue()


def _as_npz(sheet: Sheet) -> bytes:
  arrays = {
    name: column.astype(str) if column.dtype == object else column
    for name, column in sheet.keys.items()
  }
  arrays |= {**sheet.arrays, **sheet.vectors}
  for name, ragged in sheet.ragged.items():
    arrays |= {name: ragged.values, "offsets": ragged.offsets}
  file = io.BytesIO()
  # As np.savez does, which takes no array that is called `file`.
  with zipfile.ZipFile(file, "w") as archive:
    for name, array in arrays.items():
      with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
  return file.getvalue()


_WRITERS: dict[str, Callable[[Sheet], bytes]] = {
  ".csv": _as_csv,
  ".npz": _as_npz,
  ".parquet": _as_parquet,
}
