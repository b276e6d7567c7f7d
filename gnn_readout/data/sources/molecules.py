"""OGB's molecule datasets, from the raw files of their distribution.

A dataset lies in `data_dir/ogb/ogbg_molNAME`: `raw/*.csv.gz` with one row per
atom, bond or molecule, and `split/scaffold/*.csv.gz` with row numbers.
Reference: Hu et al., "Open Graph Benchmark", 2020, https://ogb.stanford.edu.
"""

from __future__ import annotations

import concurrent.futures
import csv
import functools
import gzip
import os
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources.base import Archive
from gnn_readout.data.sources.csv_numbers import read_integers, read_reals
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import suggest

# Atomic number, chirality, degree, charge, hydrogens, radical electrons,
# hybridisation, aromatic, in a ring. Until OGB 1.3.5 chirality had 4 values.
ATOM_SIZES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
# Type, stereo, conjugated.
BOND_SIZES = (5, 6, 2)
SPLITS = ("train", "valid", "test")
_URL = "https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download"


class Task(NamedTuple):
  """What OGB says of a dataset; the split is by scaffold for all of them.

  Attributes:
    task_type: Task type as in `Schema`.
    num_tasks: Number of tasks.
    metric: Metric as in `Schema`.
    archive: The name of its zip, and of the folder in it.
  """

  task_type: str
  num_tasks: int
  metric: str
  archive: str


# OGB 1.3.6, graphproppred/master.csv.
OGB_DATASETS = {
  "ogbg-molbace": Task("binary", 1, "rocauc", "bace"),
  "ogbg-molbbbp": Task("binary", 1, "rocauc", "bbbp"),
  "ogbg-molchembl": Task("binary", 1310, "rocauc", "chembl"),
  "ogbg-molclintox": Task("binary", 2, "rocauc", "clintox"),
  "ogbg-molesol": Task("regression", 1, "rmse", "esol"),
  "ogbg-molfreesolv": Task("regression", 1, "rmse", "freesolv"),
  "ogbg-molhiv": Task("binary", 1, "rocauc", "hiv"),
  "ogbg-mollipo": Task("regression", 1, "rmse", "lipophilicity"),
  "ogbg-molmuv": Task("binary", 17, "ap", "muv"),
  "ogbg-molpcba": Task("binary", 128, "ap", "pcba"),
  "ogbg-molsider": Task("binary", 27, "rocauc", "sider"),
  "ogbg-moltox21": Task("binary", 12, "rocauc", "tox21"),
  "ogbg-moltoxcast": Task("binary", 617, "rocauc", "toxcast"),
}

# The release note of a folder that holds no real data begins with STANDIN, and
# the name of such a dataset ends with it.
RELEASE, STANDIN = "RELEASE_v1.txt", "stand-in"

_RAW = (
  "num-node-list",
  "num-edge-list",
  "node-feat",
  "edge",
  "edge-feat",
  "graph-label",
)


def ogb_folder(name: str, data_dir: str | os.PathLike[str]) -> pathlib.Path:
  """Returns where a dataset lies, `data_dir/ogb/ogbg_molNAME`."""
  return pathlib.Path(data_dir) / "ogb" / name.replace("-", "_")


def archive_of(name: str) -> Archive | None:
  """Returns what a dataset is fetched as, None if OGB has none of the name."""
  if name not in OGB_DATASETS:
    return None
  archive = OGB_DATASETS[name].archive
  folder = f"ogb/{name.replace('-', '_')}"
  return Archive((f"{_URL}/{archive}.zip",), folder, archive)


def is_standin(folder: str | os.PathLike[str]) -> bool:
  """Returns whether a dataset's folder says that it holds no real data.

  Args:
    folder: As `ogb_folder` returns it; need not exist.
  """
  file = pathlib.Path(folder) / RELEASE
  return file.is_file() and file.read_bytes().startswith(STANDIN.encode())


def ogb_files(
  name: str, data_dir: str | os.PathLike[str]
) -> dict[str, pathlib.Path]:
  """Returns the files of a dataset by what they hold, such as `'node-feat'`.

  Args:
    name: Name, such as `'ogbg-molhiv'`.
    data_dir: The folder that holds `ogb/`.

  Raises:
    ValueError: OGB has no molecule dataset of this name.
    FileNotFoundError: A file is missing; the message says how to get it.
  """
  if name not in OGB_DATASETS:
    raise ValueError(
      f"unknown OGB molecule dataset {name!r}.{suggest(name, OGB_DATASETS)}"
    )
  folder = ogb_folder(name, data_dir)
  files = {key: folder / "raw" / f"{key}.csv.gz" for key in _RAW}
  for split in SPLITS:
    files[split] = folder / "split" / "scaffold" / f"{split}.csv.gz"
  for file in files.values():
    if not file.is_file():
      raise FileNotFoundError(
        f"{file}: no such file. To fetch {name}: python -m launch.download"
        f" --dataset={name} --data_dir={data_dir}"
      )
  return files


def read_ogb(name: str, data_dir: str | os.PathLike[str]) -> GraphStore:
  """Reads a molecule dataset in OGB's raw layout.

  Args:
    name: A key of `OGB_DATASETS`.
    data_dir: The folder that holds `ogb/ogbg_molNAME`.

  Returns:
    The store; the inverse of each bond is added. Its name ends with
    `(stand-in)` where the folder says that it holds no real data.

  Raises:
    FileNotFoundError: A file is missing.
    ValueError: The name is unknown, or a file is damaged or contradicts the
      others; the message names the file.
  """
  files = ogb_files(name, data_dir)
  task = OGB_DATASETS[name]
  folder = ogb_folder(name, data_dir)
  num_nodes = read_integers(files["num-node-list"], 1)[:, 0]  # [G]
  graphs = (len(num_nodes), ", as in num-node-list.csv.gz")
  num_bonds = read_integers(files["num-edge-list"], 1, *graphs)[:, 0]  # [G]
  atoms = (int(num_nodes.sum()), ", the sum of num-node-list.csv.gz")
  bonds = (int(num_bonds.sum()), ", the sum of num-edge-list.csv.gz")
  features = functools.partial(read_integers, dtype=np.uint8)
  # Two threads: numpy and zlib let each other run.
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    columns = {
      "nodes": pool.submit(
        features, files["node-feat"], len(ATOM_SIZES), *atoms, sizes=ATOM_SIZES
      ),
      "bonds": pool.submit(read_integers, files["edge"], 2, *bonds),
      "bond_features": pool.submit(
        features, files["edge-feat"], len(BOND_SIZES), *bonds, sizes=BOND_SIZES
      ),
      "labels": pool.submit(
        read_reals, files["graph-label"], task.num_tasks, *graphs
      ),
    }
  return build_from_undirected(
    molecule_schema(
      f"{name} ({STANDIN})" if is_standin(folder) else name,
      task.task_type,
      task.metric,
      _task_names(folder, task.num_tasks),
      split_from="by scaffold, as its files say",
    ),
    num_nodes=num_nodes,
    num_bonds=num_bonds,
    splits={s: read_integers(files[s], 1)[:, 0] for s in SPLITS},
    source=str(files["edge"]),
    **{key: column.result() for key, column in columns.items()},
  )


def molecule_schema(
  name: str,
  task_type: str,
  metric: str,
  task_names: Sequence[str],
  num_classes: int = 0,
  **others: Any,
) -> Schema:
  """Returns the schema of a dataset with OGB's atom and bond features."""
  return Schema(
    name=name,
    task_type=task_type,
    num_tasks=len(task_names),
    num_classes=num_classes,
    metric=metric,
    node_sizes=ATOM_SIZES,
    edge_sizes=BOND_SIZES,
    node_dim=len(ATOM_SIZES),
    edge_dim=len(BOND_SIZES),
    task_names=tuple(task_names),
    **others,
  )


def _task_names(folder: pathlib.Path, num_tasks: int) -> list[str]:
  """Returns the label columns of mapping/mol.csv.gz, or task_0, task_1, ..."""
  try:
    path = folder / "mapping" / "mol.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
      header = next(csv.reader(file), [])
  except (OSError, EOFError, UnicodeDecodeError, zlib.error):
    header = []  # The names are for show only.
  names = [name for name in header if name not in ("smiles", "mol_id")]
  if len(names) != num_tasks:
    names = [f"task_{i}" for i in range(num_tasks)]
  return names
