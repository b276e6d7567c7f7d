"""A folder of columns, such as `gnn_readout.data.from_arrays` writes."""

from __future__ import annotations

import os
import pathlib

from gnn_readout.data import checks
from gnn_readout.data.store import META, GraphStore, open_store


def is_folder(dataset: str) -> bool:
  """Says whether a dataset is such a folder: a path, or one that is there."""
  begins = dataset.startswith(("/", "./", "../"))
  return begins or dataset.endswith("/") or os.path.isdir(dataset)


def store_files(path: str) -> list[pathlib.Path]:
  """Returns the file that says what is in the folder.

  Raises:
    FileNotFoundError: There is no such folder.
    ValueError: It is none of a store.
  """
  folder = pathlib.Path(path)
  if not folder.is_dir():
    here = "" if folder.is_absolute() else f" in {os.getcwd()}"
    raise FileNotFoundError(f"{path}: no such folder{here}")
  if not (folder / META).is_file():
    raise ValueError(
      f"{path}: not the folder of a store, as it has no {META};"
      " gnn_readout.data.from_arrays, from_jraph, from_networkx and from_pyg"
      " write such folders"
    )
  return [folder / META]


def read_store(path: str) -> GraphStore:
  """Opens a folder and checks all that is in it.

  Raises:
    ValueError: A column is missing or damaged, or does not fit the others; the
      message names it.
  """
  store = open_store(path, verify=True)
  checks.check_store(store, path)
  return store
