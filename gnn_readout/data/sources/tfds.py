"""ogbg-molpcba from the TFRecord files of TensorFlow Datasets.

They lie in `ogbg_molpcba/VERSION/ogbg_molpcba-SPLIT.tfrecord-I-of-N` below the
folder that TensorFlow Datasets was given, and an example is one molecule:
`num_nodes` [1], `node_feat` [n, 9], `num_edges` [1], `edge_feat` [b, 3],
`edge_index` [b, 2], in which each bond is listed once, and `labels` [128]. Its
order is not OGB's. TensorFlow reads them and nothing else is needed.

Reference: https://www.tensorflow.org/datasets/catalog/ogbg_molpcba
"""

from __future__ import annotations

import os
import pathlib
import re
from typing import Any

import numpy as np

from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources.molecules import (
  ATOM_SIZES,
  BOND_SIZES,
  OGB_DATASETS,
  SPLITS,
  molecule_schema,
)
from gnn_readout.data.store import GraphStore
from gnn_readout.files import read_object
from gnn_readout.wording import counted

DATASET = "tfds/ogbg_molpcba"

_NAME = "ogbg_molpcba"
# Where the data folder holds it: our own layout, that of TensorFlow Datasets,
# and that of MLCommons' AlgoPerf.
_FOLDERS = ("tfds", "", "ogbg")
_SHARD = re.compile(rf"{_NAME}-(\w+)\.tfrecord-(\d+)-of-(\d+)")
_WORDS = {"train": "train", "valid": "validation", "test": "test"}
_TASK = OGB_DATASETS["ogbg-molpcba"]
_INTEGERS = ("num_nodes", "edge_index")
_REALS = ("node_feat", "edge_feat", "labels")
_AT_ONCE = 4096  # Examples that are parsed together.


def tfds_files(data_dir: str | os.PathLike[str]) -> list[pathlib.Path]:
  """Returns the files of the newest version, split by split.

  Args:
    data_dir: The folder that holds `ogbg_molpcba/VERSION/`, `tfds/` or `ogbg/`.

  Raises:
    FileNotFoundError: They are not there, or some of them are missing.
  """
  root = pathlib.Path(data_dir)
  found = {
    folder: shards
    for name in _FOLDERS
    for folder in (root / name / _NAME).glob("*")
    if (shards := _shards(folder))
  }
  if not found:
    raise FileNotFoundError(
      f"{root / 'tfds' / _NAME}: no TFRecord files of TensorFlow Datasets in"
      f" it, nor in {root / _NAME} or {root / 'ogbg' / _NAME}; OGB's own files"
      " are the dataset ogbg-molpcba"
    )
  folder = max(
    found, key=lambda f: [int(x) for x in re.findall(r"\d+", f.name)]
  )
  shards, files = found[folder], []
  for word in _WORDS.values():
    own = {i: (path, n) for (w, i, n), path in shards.items() if w == word}
    total = max((n for _, n in own.values()), default=1)
    for i in range(total):
      if i not in own:
        name = f"{_NAME}-{word}.tfrecord-{i:05d}-of-{total:05d}"
        raise FileNotFoundError(f"{folder / name}: no such file")
      files.append(own[i][0])
  return files


def read_tfds(data_dir: str | os.PathLike[str]) -> GraphStore:
  """Reads the dataset in the order of its files.

  Args:
    data_dir: As `tfds_files` takes it.

  Returns:
    The store; the inverse of each bond is added.

  Raises:
    FileNotFoundError: As `tfds_files`.
    ValueError: A file is damaged, or an example contradicts itself; the
      message names the file.
  """
  parts: dict[str, list[np.ndarray]] = {}
  splits: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
  words = {word: split for split, word in _WORDS.items()}
  files, first = tfds_files(data_dir), 0
  for file in files:
    count = 0
    for columns in _read(file):
      for name, column in columns.items():
        parts.setdefault(name, []).append(column)
      count += len(columns["num_nodes"])
    split = words[_SHARD.fullmatch(file.name)[1]]
    splits[split].append(np.arange(first, first + count))
    first += count
  if not first:
    raise ValueError(f"{files[0].parent}: there is no molecule in it")
  return build_from_undirected(
    molecule_schema(
      "ogbg-molpcba",
      _TASK.task_type,
      _TASK.metric,
      _task_names(files[0].parent),
      split_from="by scaffold, as the names of its files say",
      notes=("graphs are in the order of TensorFlow Datasets' files",),
    ),
    splits={split: np.concatenate(own) for split, own in splits.items()},
    source=str(files[0].parent),
    **{name: np.concatenate(columns) for name, columns in parts.items()},
  )


def _shards(folder: pathlib.Path) -> dict[tuple[str, int, int], pathlib.Path]:
  """Returns the files of a folder by split, place and number of places."""
  if not folder.is_dir():
    return {}
  found = {}
  for path in folder.iterdir():
    if match := _SHARD.fullmatch(path.name):
      found[match[1], int(match[2]), int(match[3])] = path
  return found


def _read(file: pathlib.Path):
  """Yields columns of the examples of a file, some thousand at a time."""
  import tensorflow as tf

  kinds = {
    **dict.fromkeys(_INTEGERS, tf.int64),
    **dict.fromkeys(_REALS, tf.float32),
  }
  features = {
    name: tf.io.RaggedFeature(kind, row_splits_dtype=tf.int64)
    for name, kind in kinds.items()
  }
  first = 0
  try:
    for some in tf.data.TFRecordDataset(str(file)).batch(_AT_ONCE):
      parsed = tf.io.parse_example(some, features)
      yield _columns(file, first, parsed)
      first += len(some)
  except tf.errors.OpError as error:
    raise ValueError(
      f"{file}: damaged after {counted(first, 'example')}: {error.message}"
    ) from error


def _columns(
  file: pathlib.Path, first: int, parsed: dict[str, Any]
) -> dict[str, np.ndarray]:
  """Returns the columns of some examples, the first of them number `first`."""
  values = {name: x.flat_values.numpy() for name, x in parsed.items()}
  lengths = {name: x.row_lengths().numpy() for name, x in parsed.items()}
  _check(file, first, "num_nodes", lengths["num_nodes"], 1)
  num_nodes = values["num_nodes"]  # [g]
  num_bonds = lengths["edge_index"] // 2  # [g]
  for name, expected in (
    ("node_feat", len(ATOM_SIZES) * num_nodes),
    ("edge_index", 2 * num_bonds),
    ("edge_feat", len(BOND_SIZES) * num_bonds),
    ("labels", _TASK.num_tasks),
  ):
    _check(file, first, name, lengths[name], expected)
  return {
    "num_nodes": num_nodes,
    "num_bonds": num_bonds,
    "nodes": values["node_feat"].reshape(-1, len(ATOM_SIZES)),
    "bonds": values["edge_index"].reshape(-1, 2),
    "bond_features": values["edge_feat"].reshape(-1, len(BOND_SIZES)),
    "labels": values["labels"].reshape(-1, _TASK.num_tasks),
  }


def _check(
  file: pathlib.Path,
  first: int,
  name: str,
  lengths: np.ndarray,
  expected: np.ndarray | int,
) -> None:
  """Raises ValueError at an example whose feature is of another length."""
  expected = np.broadcast_to(expected, lengths.shape)
  wrong = lengths != expected
  if wrong.any():
    i = int(np.argmax(wrong))
    raise ValueError(
      f"{file}: example {first + i}: {name} has {lengths[i]} numbers, expected"
      f" {expected[i]}"
    )


def _task_names(folder: pathlib.Path) -> list[str]:
  """Returns the tasks of metadata.json, or task_0, task_1, ..."""
  try:
    names = read_object(folder / "metadata.json").get("tasks")
  except (OSError, ValueError):
    names = None  # They are for show only.
  if not isinstance(names, list) or len(names) != _TASK.num_tasks:
    return [f"task_{i}" for i in range(_TASK.num_tasks)]
  return [str(name) for name in names]
