"""Molecules to be predicted, a window of them at a time.

Letters: M rows of the file, D distinct texts in its column of SMILES.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np

from gnn_readout.data import windows as data_windows
from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources import featurise
from gnn_readout.data.sources.smiles import find_smiles
from gnn_readout.data.sources.text_table import Table, read_table
from gnn_readout.data.store import Schema
from gnn_readout.data.windows import Window


def read_molecules(
  path: str | os.PathLike[str], names: Sequence[str], option: str
) -> tuple[Table, str]:
  """Returns the whole table of a file, and its column of SMILES.

  Args:
    path: As `smiles.read_csv` takes it.
    names: What the column may be called, the likeliest first.
    option: The one that names it, for the message.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file is damaged or has no such column.
  """
  table = read_table(path)
  return table, find_smiles(table, names, option)


def windows(
  smiles: Sequence[str], schema: Schema, num_workers: int | None = None
) -> Iterator[Window]:
  """Yields the molecules as graphs, those that RDKit refuses left out.

  Several processes read them, ahead of who asks.

  Args:
    smiles: [D].
    schema: Schema of the dataset that the model was trained on.
    num_workers: Processes; None = one per core. Few molecules take one.
  """
  schema = dataclasses.replace(schema, split_from="none", notes=())
  parts, start, count = [], 0, 0
  for columns in featurise.stream_columns(smiles, num_workers):
    parts.append(columns)
    count += len(columns.num_nodes)
    if count >= data_windows.SIZE:
      yield _window(parts, schema, start)
      parts, start, count = [], start + count, 0
  if parts:
    yield _window(parts, schema, start)


def _window(
  parts: Sequence[featurise.Columns], schema: Schema, start: int
) -> Window:
  columns = featurise.Columns(
    *(np.concatenate(column) for column in zip(*parts, strict=True))
  )
  valid = np.flatnonzero(columns.num_nodes)
  # What is refused has neither atoms nor bonds: only the counts know of it.
  columns = columns._replace(
    num_nodes=columns.num_nodes[valid], num_bonds=columns.num_bonds[valid]
  )
  store = build_from_undirected(
    schema,
    labels=np.full((len(valid), schema.num_tasks), np.nan, np.float32),
    splits={},
    **columns._asdict(),
  )
  return Window(store, np.arange(len(valid)), start + valid)
