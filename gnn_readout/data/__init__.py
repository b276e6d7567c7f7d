"""Datasets of graphs: `load` finds, converts and caches them."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import zlib

from gnn_readout.data.folders import cache_folder, data_folder
from gnn_readout.data.store import GraphStore, cached, fingerprint_of
from gnn_readout.errors import suggest


def load(
  dataset: str,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  **options,
) -> GraphStore:
  """Opens a dataset, converting it the first time.

  Args:
    dataset: `'demo'`, an OGB molecule dataset such as `'ogbg-molhiv'`, one of
      the TU collection such as `'tu/MUTAG'`, or the path of a `.csv` or
      `.csv.gz` file with SMILES.
    data_dir: The folder that holds `ogb/` and `tu/`; default
      `$GNN_READOUT_DATA`, else `./data`.
    cache_dir: Where converted datasets lie; default `$GNN_READOUT_CACHE`, else
      `~/.cache/gnn_readout`.
    **options: Of the reader: `demo.make_demo`, `tu.read_tu` or
      `smiles.read_csv`.

  Returns:
    The store, memory-mapped. One of the TU collection has no splits, see
    `folds.with_fold`.

  Raises:
    FileNotFoundError: The dataset is not there; the message names the file.
    ValueError: The dataset is unknown or damaged.
  """
  data_dir, cache_dir = data_folder(data_dir), cache_folder(cache_dir)
  # Each branch names the files that the result depends on, the first of them
  # telling two sources of one name apart, and how to read them.
  if dataset == "demo":
    from gnn_readout.data.sources import demo, smiles

    files = [demo.__file__, smiles.__file__]
    build = functools.partial(demo.make_demo, **options)
  elif dataset.startswith("ogbg-"):
    from gnn_readout.data.sources import molecules

    files = list(molecules.ogb_files(dataset, data_dir).values())
    build = functools.partial(molecules.read_ogb, dataset, data_dir, **options)
  elif dataset.startswith("tu/"):
    from gnn_readout.data.sources import tu

    name = dataset.removeprefix("tu/")
    files = tu.tu_files(name, data_dir)
    build = functools.partial(tu.read_tu, name, data_dir, **options)
  elif dataset.endswith((".csv", ".csv.gz")):
    from gnn_readout.data.sources import smiles

    if not os.path.isfile(dataset):
      raise FileNotFoundError(f"{dataset}: no such file")
    files = [dataset]
    build = functools.partial(smiles.read_csv, dataset, **options)
  else:
    from gnn_readout.data.sources import molecules, tu

    known = ["demo", *molecules.OGB_DATASETS, *(f"tu/{n}" for n in tu.USUAL)]
    raise ValueError(
      f"unknown dataset {dataset!r}; it is none of the known names, nor does it"
      f" start with tu/ or end in .csv.{suggest(dataset, known)}"
    )
  source = json.dumps([os.path.abspath(files[0]), options], sort_keys=True)
  key = f"{pathlib.Path(dataset).stem}-{zlib.crc32(source.encode()):08x}"
  return cached(cache_dir, key, fingerprint_of(files), build)
