"""The files of a dataset of the TU collection: where they are, what they hold.

`tu` says what the collection is. Letters: M nodes or edges.
"""

from __future__ import annotations

import difflib
import glob
import pathlib
import re
import zipfile
from collections.abc import Callable, Collection
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from gnn_readout import paths
from gnn_readout.data.checks import LARGEST
from gnn_readout.data.sources import archives
from gnn_readout.data.sources.base import Archive
from gnn_readout.data.sources.csv_numbers import (
  count_columns,
  read_integers,
  read_reals,
)
from gnn_readout.errors import suggest

# Those on which Y. Zhang's thesis (table 5.10) and Xu et al. 2019 report.
USUAL = (
  "COLLAB",
  "IMDB-BINARY",
  "IMDB-MULTI",
  "MUTAG",
  "NCI1",
  "PROTEINS",
  "PTC_MR",
  "REDDIT-BINARY",
  "REDDIT-MULTI-5K",
)

_URL = "https://www.chrsmrrs.com/graphkerneldatasets"

# What a file may say of nodes, edges or graphs.
DESCRIPTIONS = ("label", "attribute")
KINDS = (
  "A",
  "graph_indicator",
  *(f"{of}_{x}s" for of in ("node", "edge", "graph") for x in DESCRIPTIONS),
)
_ALIKE = 0.8  # From which on a file's name is taken for a slip.


def archive_of(dataset: str) -> Archive | None:
  """Returns what `tu/NAME` is fetched as; any NAME may be there."""
  name = dataset.removeprefix("tu/")
  if not re.fullmatch(r"[\w-]+", name):
    return None
  return Archive((f"{_URL}/{name}.zip",), f"tu/{name}", name)


def tu_files(name: str, data_dir: str | PathLike[str]) -> list[pathlib.Path]:
  """Returns the files that a dataset is made from: the zip, or the texts.

  Args:
    name: Name, such as `'MUTAG'`.
    data_dir: The folder that holds `tu/`.

  Raises:
    ValueError: The name leads elsewhere.
    FileNotFoundError: There is neither; the message says how to get it.
  """
  paths.check_part(name, "NAME of a dataset tu/NAME")
  folder = pathlib.Path(data_dir) / "tu" / name
  if folder.is_dir():
    return sorted(folder.glob(f"{glob.escape(name)}_*.txt")) or [folder]
  path = folder.with_name(f"{name}.zip")
  if not path.is_file():
    hint = "" if name in USUAL else suggest(name, USUAL)
    raise FileNotFoundError(
      f"{path}: no such file.{hint} To fetch it: python -m launch.download"
      f" --dataset=tu/{name} --data_dir={data_dir}"
    )
  return [path]


class Descriptions(NamedTuple):
  """What is said of M nodes or edges; [M, 0] where nothing is.

  Attributes:
    labels: [M, K] int32, K of them for each.
    attributes: [M, F] float32.
  """

  labels: np.ndarray
  attributes: np.ndarray


class Files(NamedTuple):
  """The files of a dataset, in a folder or in a zip.

  A kind of file is what comes after the dataset's name, such as 'A'.

  Attributes:
    name: Name of the dataset.
    root: The folder that they are in.
  """

  name: str
  root: pathlib.Path | zipfile.Path

  def path(self, kind: str) -> pathlib.Path | zipfile.Path:
    """Returns where the file of a kind is, whether there is one or not."""
    return self.root / f"{self.name}_{kind}.txt"

  def read(
    self,
    kind: str,
    reader: Callable[..., np.ndarray],
    num_columns: int | None = None,
    num_rows: int | None = None,
    like: str = "",
  ) -> np.ndarray:
    """Returns what a file holds, as a table.

    Args:
      kind: Its kind.
      reader: What makes numbers of it, such as `read_reals`.
      num_columns: How many numbers a line has; None: as many as the first.
      num_rows: How many lines there must be; None: any number.
      like: The kind of the file that has this number of lines.

    Returns:
      [num_rows, num_columns].

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: It is damaged; the message names the row.
    """
    path = self.path(kind)
    if not path.is_file():
      raise FileNotFoundError(f"{path}: no such file")
    columns = num_columns or count_columns(path)
    reason = f", as in {self.name}_{like}.txt"
    return reader(path, columns, num_rows, reason, loose=True)

  def kinds(self, what: str) -> set[str]:
    """Returns which of `DESCRIPTIONS` there are.

    Args:
      what: 'node', 'edge' or 'graph'.
    """
    return {k for k in DESCRIPTIONS if self.path(f"{what}_{k}s").is_file()}

  def others(self) -> list[str]:
    """Returns the names of files that are not of the collection's layout.

    Raises:
      ValueError: One looks like a file that is not there.
    """
    expected = [self.path(kind).name for kind in KINDS]
    there = [path.name for path in self.root.iterdir() if path.is_file()]
    missing = [name for name in expected if name not in there]
    others = sorted(set(there) - set(expected))
    start = f"{self.name}_"
    kinds = [name.removeprefix(start) for name in missing]
    for name in others:
      kind = name.removeprefix(start)
      if near := difflib.get_close_matches(kind, kinds, 1, _ALIKE):
        raise ValueError(
          f"{self.root / name}: no file of this name is read; rename it to"
          f" {start}{near[0]} if that is meant, or delete it"
        )
    return [name for name in others if "readme" not in name.lower()]

  def attributes(self, what: str, *rows: Any) -> np.ndarray:
    """Returns the real numbers that are said of nodes, edges or graphs.

    Args:
      what: 'node', 'edge' or 'graph'.
      *rows: How many there must be, and the kind of the file that says so.
    """
    table = self.read(f"{what}_attributes", read_reals, None, *rows)
    empty = np.isnan(table).all(axis=0)
    if table.shape[1] > 1 and empty[-1]:  # A comma at the end of every line.
      table = table[:, :-1]
    return table

  def descriptions(
    self, what: str, num_rows: int, like: str, needed: Collection[str]
  ) -> Descriptions:
    """Returns labels and attributes of all nodes or all edges.

    Args:
      what: 'node' or 'edge'.
      num_rows: How many nodes or edges there are.
      like: The kind of the file that says so.
      needed: Which of `DESCRIPTIONS` are read, if they are there.

    Raises:
      ValueError: A number is missing, or too large.
    """
    labels = np.zeros((num_rows, 0), np.int32)
    attributes = np.zeros((num_rows, 0), np.float32)
    needed = self.kinds(what).intersection(needed)
    if "label" in needed:
      labels = self.read(f"{what}_labels", read_labels, None, num_rows, like)
    if "attribute" in needed:
      attributes = self.attributes(what, num_rows, like)
      missing = np.isnan(attributes).any(axis=1)
      self.check(f"{what}_attributes", missing, lambda row: "a field is empty")
      large = np.abs(attributes).max(axis=1, initial=0) > LARGEST
      self.check(
        f"{what}_attributes",
        large,
        lambda row: (
          f"{np.abs(attributes[row]).max():g} is too large for a feature,"
          f" which may be at most {LARGEST:g}: its square is beyond float32"
        ),
      )
    return Descriptions(labels, attributes)

  def check(
    self, kind: str, wrong: np.ndarray, describe: Callable[[int], str]
  ) -> None:
    """Raises ValueError at the first wrong row, if there is one.

    Args:
      kind: The kind of the file.
      wrong: [rows] bool.
      describe: row, from 0 -> what is wrong with it.
    """
    if wrong.any():
      row = int(np.argmax(wrong))
      raise ValueError(f"{self.path(kind)}: row {row + 1}: {describe(row)}")


def open_files(name: str, data_dir: str | PathLike[str]) -> Files:
  """Returns the files of a dataset, which may be in a zip.

  Args:
    name: As `tu_files` takes it.
    data_dir: As `tu_files` takes it.
  """
  first = tu_files(name, data_dir)[0]
  if first.suffix == ".zip":
    return Files(name, archives.open_folder(first, name))
  return Files(name, pathlib.Path(data_dir) / "tu" / name)


def read_labels(*args: Any, **options: Any) -> np.ndarray:
  """Returns a table of whole numbers, of which some write `2` as `2.0`.

  Args:
    *args: As `read_integers` takes them.
    **options: As `read_integers` takes them.
  """
  return read_integers(*args, **options, with_point=True)
