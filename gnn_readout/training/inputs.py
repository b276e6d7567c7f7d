"""What predictions are made for: a file of SMILES, or a dataset of graphs."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gnn_readout import data
from gnn_readout.config_fields import with_fields
from gnn_readout.data import identity, packed, windows
from gnn_readout.data.sources import smiles as smiles_lib
from gnn_readout.data.sources import text_table, unlabelled
from gnn_readout.data.sources.molecules import molecule_schema
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.data.windows import Window
from gnn_readout.training.ensemble import Run
from gnn_readout.training.predictions import texts_of


class Input(NamedTuple):
  """Graphs to predict for; letters as in `predict`.

  Attributes:
    name: Name, such as the path of a file.
    schema: Schema of the training set, as far as it is true of these graphs.
    num_graphs: D.
    codes: [M] which of them each row is.
    rows: [M] the number of each row, from 1; of a dataset without rows the
      graphs' own, from 0.
    keys: What the output says of each row besides the predictions, [M] each.
    windows: Yields the graphs that can be read; once.
    invalid: From [D] nodes to a sentence on the rows that could not be read;
      None if all could.
    smiles: [M], where there are any.
  """

  name: str
  schema: Schema
  num_graphs: int
  codes: np.ndarray
  rows: np.ndarray
  keys: dict[str, np.ndarray]
  windows: Iterator[Window]
  invalid: Callable[[np.ndarray], str | None]
  smiles: np.ndarray | None


def open_input(
  name: str,
  run: Run,
  smiles_column: str | None = None,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> Input:
  """Opens what to predict for, and checks that a run can.

  Args:
    name: A table with SMILES, see `text_table`; a file that `data.pack` wrote;
      or any dataset, as `data.load` takes it, such as the folder of a store,
      which is read with the options of the run.
    run: The run that is to predict.
    smiles_column: The column of SMILES; None = as in training, or `smiles`.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.

  Raises:
    FileNotFoundError: It is not there.
    ValueError: It is damaged, has no SMILES or no graphs, or the features are
      not those of the run.
  """
  if text_table.is_table(name):
    return _of_molecules(name, run, smiles_column)
  if smiles_column is not None:
    raise ValueError(
      f"--smiles_column={smiles_column} applies to files of SMILES, not to"
      f" {name}"
    )
  path = pathlib.Path(name)
  if name.endswith(packed.SUFFIX):
    if not path.is_file():
      raise FileNotFoundError(f"{name}: no such file")
    store = packed.read(path)
  else:
    config = with_fields(run.problem.config, {"dataset": name})
    store = data.load_config(config, data_dir, cache_dir, with_fold=False)
  return _of_store(name, store, run)


def _of_molecules(name: str, run: Run, smiles_column: str | None) -> Input:
  schema = run.schema
  of_smiles = molecule_schema(name, "regression", "rmse", ("any",))
  _check_features(name, run, of_smiles)
  trained = run.problem.config.get("csv", {}).get("smiles_column")
  names = [smiles_column] if smiles_column else [trained, "smiles"]
  table, column = unlabelled.read_molecules(
    name, [*filter(None, names)], "--smiles_column"
  )
  texts, codes = table.columns[column]

  def invalid(sizes: np.ndarray) -> str | None:
    bad = np.flatnonzero(sizes[codes] == 0)
    fields = table.columns[column].fields
    if not len(bad):
      return None
    return smiles_lib.list_invalid(fields, bad, table.rows[bad])

  return Input(
    name,
    schema,
    len(texts),
    codes,
    table.rows,
    {key: column.fields for key, column in table.columns.items()},
    unlabelled.windows(texts.tolist(), schema),
    invalid,
    table.columns[column].fields,
  )


def _of_store(name: str, store: GraphStore, run: Run) -> Input:
  _check_features(name, run, store.schema)
  count = store.num_graphs
  if not count:
    raise ValueError(f"{name} holds no graphs")
  index = np.arange(count)
  symmetric = run.schema.symmetric and store.schema.symmetric
  rows = {} if store.rows is None else {"row": np.asarray(store.rows)}
  places = index if store.rows is None else rows["row"] - 1
  texts = texts_of(store, index)
  return Input(
    name,
    dataclasses.replace(run.schema, symmetric=symmetric),
    count,
    index,
    rows.get("row", index),
    {"graph_index": places, **rows, **texts},
    windows.of_store(store),
    lambda sizes: None,
    texts.get("smiles"),
  )


def _check_features(name: str, run: Run, schema: Schema) -> None:
  if differ := identity.feature_difference(run.schema, schema):
    raise ValueError(
      f"{run.workdir} cannot predict for {name} because it was trained on"
      f" {differ}"
    )
