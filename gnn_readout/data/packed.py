"""A dataset's columns as one compressed file, to be copied to other machines.

`NAME.columns.zip` holds the folder of a `GraphStore`, a checksum of every
column included. It is opened where the source of the dataset is not there, and
needs nothing that the source does: no rdkit, ogb or TensorFlow.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from gnn_readout.data.sources import Source, download
from gnn_readout.data.store import GraphStore, TextColumn, open_store
from gnn_readout.files import atomic_write_bytes, read_json

SUFFIX = ".columns.zip"

_INSIDE = "columns"
_FOLDER = "packed"  # Below the data folder.
_TIME = (1980, 1, 1, 0, 0, 0)  # Equal columns make equal files.


def path_of(
  source: Source, dataset: str, data_dir: str | os.PathLike[str]
) -> pathlib.Path:
  """Returns where the packed columns of a dataset lie.

  Args:
    source: The row of the dataset in `sources.SOURCES`.
    dataset: Its name, or the path of its file or folder, which they lie
      beside.
    data_dir: The data folder.
  """
  if source.is_path:
    return pathlib.Path(f"{os.path.normpath(dataset)}{SUFFIX}")
  name = dataset.replace("/", "_")
  return pathlib.Path(data_dir) / _FOLDER / f"{name}{SUFFIX}"


def write(
  store: GraphStore, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
  """Writes the columns of a store into one file, whole or not at all.

  Args:
    store: The dataset.
    path: The file.
    options: Options with which its source was read.

  Raises:
    OSError: If it cannot be written.
  """
  buffer = io.BytesIO()
  with (
    tempfile.TemporaryDirectory() as folder,
    zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
  ):
    store.save(os.path.join(folder, _INSIDE), _fingerprint(options))
    for file in sorted(pathlib.Path(folder, _INSIDE).iterdir()):
      info = zipfile.ZipInfo(f"{_INSIDE}/{file.name}", _TIME)
      info.external_attr = 0o644 << 16
      archive.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
  atomic_write_bytes(path, buffer.getvalue())


def read(
  path: pathlib.Path, options: Mapping[str, Any] | None = None
) -> GraphStore:
  """Reads what `write` wrote.

  Args:
    path: The file.
    options: Options with which the source would be read; None = any.

  Returns:
    The store, in memory.

  Raises:
    ValueError: If the file is damaged, or was packed with other options.
  """
  with tempfile.TemporaryDirectory() as parent:
    folder = pathlib.Path(parent, _INSIDE)
    try:
      download.unpack(path, _INSIDE, folder)
      store = open_store(folder, verify=True)
    except (ValueError, FileNotFoundError) as error:
      reason = str(error).replace(f"{folder}{os.sep}", "")
      raise ValueError(
        f"{path} is damaged or was packed by another version; copy or pack it"
        f" again: {reason}"
      ) from error
    packed = read_json(folder / "meta.json")["fingerprint"]
    if options is not None and packed != _fingerprint(options):
      raise ValueError(
        f"{path} was packed with the options {packed}, not"
        f" {_fingerprint(options)}: pack the dataset with these"
      )
    return _in_memory(store)


def _fingerprint(options: Mapping[str, Any]) -> str:
  return json.dumps(dict(options), sort_keys=True)


def _in_memory(store: GraphStore) -> GraphStore:
  """Returns a store whose columns do not need the files any more."""

  def copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
      return value.copy()
    if isinstance(value, TextColumn):
      return TextColumn(value.offsets.copy(), value.data.copy())
    if isinstance(value, dict):
      return {name: copied(x) for name, x in value.items()}
    return value

  return dataclasses.replace(
    store,
    **{
      field.name: copied(getattr(store, field.name))
      for field in dataclasses.fields(store)
    },
  )
