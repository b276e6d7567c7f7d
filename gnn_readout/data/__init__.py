"""Datasets of graphs: `load` finds, converts and caches them.

`from_arrays`, `from_jraph`, `from_networkx` and `from_pyg` make one of graphs
of your own. `pack` makes of one a single file for another machine.

They import nothing of models, tasks or training.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

from gnn_readout import paths
from gnn_readout.data import folds, packed, sources
from gnn_readout.data.caching import cached, fingerprint_of
from gnn_readout.data.folders import cache_folder, data_folder
from gnn_readout.data.own import (
  from_arrays,
  from_jraph,
  from_networkx,
  from_pyg,
)
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest


def load(
  dataset: str,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  **options: Any,
) -> GraphStore:
  """Opens a dataset, converting it the first time.

  Where the files of its source are not there, those that `pack` has made are
  as good.

  Args:
    dataset: Name of the dataset, as a row of `sources.SOURCES` has it:
      `'demo'`, an OGB molecule dataset such as `'ogbg-molhiv'`, one of the TU
      collection such as `'tu/MUTAG'`, the path of a CSV file with SMILES or of
      the folder of a store, or a function that makes one, `'module:function'`.
    data_dir: The folder that holds `ogb/` and `tu/`; default
      `$GNN_READOUT_DATA`, else `./data`.
    cache_dir: Where converted datasets lie; default `$GNN_READOUT_CACHE`, else
      `~/.cache/gnn_readout`.
    **options: Of the reader: `demo.make_demo`, `tu.read_tu` or
      `smiles.read_csv`.

  Returns:
    The store, memory-mapped. One of the TU collection has no splits, and one
    of your own may have none, see `folds.with_fold`.

  Raises:
    FileNotFoundError: The dataset is not there; the message names the file.
    ValueError: The dataset is unknown, damaged, or holds no graphs.
  """
  source = sources.find(dataset)
  if source.read is None:
    raise ValueError(
      f"{dataset} holds no graphs; it belongs to a task of its own."
    )
  data_dir, cache_dir = data_folder(data_dir), cache_folder(cache_dir)
  build = functools.partial(source.read, dataset, data_dir, **options)
  try:
    files = source.files(dataset, data_dir)
  except FileNotFoundError:
    file = packed.path_of(source, dataset, data_dir)
    if not file.is_file():
      raise
    files, build = [file], functools.partial(packed.read, file, options)
  else:
    if not source.is_cached:
      return build()
  origin = json.dumps([os.path.abspath(files[0]), options], sort_keys=True)
  stem = paths.part(pathlib.Path(dataset).stem)
  key = f"{stem}-{zlib.crc32(origin.encode()):08x}"
  return cached(cache_dir, key, fingerprint_of(files), build)


def pack(
  dataset: str,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  **options: Any,
) -> pathlib.Path:
  """Writes the columns of a dataset as one compressed file.

  Put at the same place below the data folder of another machine (or beside the
  place of a CSV file), it is what `load` opens there.

  Args:
    dataset: As `load` takes it.
    data_dir: As `load` takes it.
    cache_dir: As `load` takes it.
    **options: Likewise; `load` must be given the same.

  Returns:
    The file.

  Raises:
    FileNotFoundError: As `load`.
    ValueError: As `load`.
    OSError: If the file cannot be written.
  """
  store = load(dataset, data_dir, cache_dir, **options)
  source = sources.find(dataset)
  file = packed.path_of(source, dataset, data_folder(data_dir))
  packed.write(store, file, options)
  return file


def load_config(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  with_fold: bool = True,
) -> GraphStore:
  """Opens the dataset that a configuration names, with its options.

  Args:
    config: Config as the files in configs/ make it: `dataset`, the options of
      its source in a section such as `csv` or `tu`, and, for a dataset without
      a split, `fold` and `folds`.
    data_dir: As `load` takes it.
    cache_dir: As `load` takes it.
    with_fold: Whether a dataset without splits gets those of `config.fold`.

  Returns:
    The store.

  Raises:
    FileNotFoundError: As `load`.
    ValueError: As `load`, or the configuration is not made for this dataset.
  """
  dataset = config["dataset"]
  source = sources.find(dataset)
  options = _options(source, config)
  store = load(dataset, data_dir, cache_dir, **options)
  if not with_fold:
    return store
  if store.splits:
    if config.get("fold"):
      raise ValueError(
        f"fold={config['fold']} cannot be used: {dataset} has its own split,"
        " and folds are for datasets without one"
      )
    return store
  for field in ("fold", "folds"):
    if field not in config:
      raise ValueError(
        f"{dataset} has no split, and the config lacks the field {field!r}"
        " that would make one: start from a config that has it, such as"
        " configs/graphs.py or configs/tu.py"
      )
  return folds.with_fold(store, config["fold"], **config["folds"])


def _options(
  source: sources.Source, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the options that a config gives a reader; empty ones are left."""
  section = config.get(source.section) or {}
  for name in section:
    if name not in source.options:
      raise ValueError(
        f"unknown option {source.section}.{name} of {source.written}."
        f"{suggest(name, source.options)}"
      )
  return {
    name: source.options[name](value)
    for name, value in section.items()
    if value
  }


__all__ = [
  "from_arrays",
  "from_jraph",
  "from_networkx",
  "from_pyg",
  "load",
  "load_config",
  "pack",
]
