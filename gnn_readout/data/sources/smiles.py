"""Molecules written as SMILES, from a list or a user's own CSV file.

Features are those of OGB, see `featurise`, so that a model trained on a
dataset of OGB reads them. RDKit is needed, and imported where it is used.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources.featurise import (
  MOST_CHARACTERS,
  Columns,
  columns_of,
  molecules_to_columns,
)
from gnn_readout.data.sources.molecules import SPLITS, molecule_schema
from gnn_readout.data.sources.scaffolds import scaffold_split
from gnn_readout.data.sources.targets import (
  find_column,
  read_split,
  read_targets,
)
from gnn_readout.data.sources.text_table import Table, number, read_table
from gnn_readout.data.store import METRICS, GraphStore, Schema
from gnn_readout.errors import quoted, suggest

_LOOKED_AT = 20  # Fields of a column that may hold SMILES.


def smiles_to_store(
  name: str,
  smiles: Sequence[str],
  labels: np.ndarray,
  task_names: Sequence[str],
  splits: Mapping[str, np.ndarray],
  task_type: str = "binary",
  metric: str = "ap",
  num_workers: int | None = 1,
) -> GraphStore:
  """Builds a store from SMILES.

  Args:
    name: Name of the dataset.
    smiles: G SMILES strings.
    labels: [G, tasks], NaN = missing.
    task_names: One per column of `labels`.
    splits: Indices into `smiles` by split name.
    task_type: `'binary'`, `'multiclass'` or `'regression'`.
    metric: Metric as in `Schema`.
    num_workers: Processes; None = one per core.

  Returns:
    The store.

  Raises:
    ValueError: RDKit refuses a molecule (named by its index), or labels or
      splits are wrong.
  """
  columns = molecules_to_columns(smiles, num_workers)
  invalid = np.flatnonzero(columns.num_nodes == 0)
  if len(invalid):
    raise ValueError(f"{name}: {list_invalid(smiles, invalid, invalid)}")
  labels = np.asarray(labels, np.float32)
  num_classes = _num_classes(task_type, labels)
  schema = molecule_schema(name, task_type, metric, task_names, num_classes)
  return _store(schema, columns, labels, splits, texts={"smiles": smiles})


def read_csv(
  path: str | os.PathLike[str],
  smiles_column: str = "smiles",
  label_columns: str | Sequence[str] | None = None,
  task_type: str | None = None,
  metric: str | None = None,
  on_invalid: str = "error",
  num_workers: int | None = None,
  split: tuple[float, float, float] = (0.8, 0.1, 0.1),
  split_column: str | None = None,
  id_column: str | None = None,
) -> GraphStore:
  """Reads a table file of SMILES and labels.

  A column `split` that says train, valid or test in every row is followed.
  Without it, molecules are split by scaffold, the same way every time.

  Args:
    path: A file with a header, possibly compressed, see `text_table`.
    smiles_column: The column of SMILES.
    label_columns: The columns of labels, or their names with commas between,
      where an empty field is a missing label; None = by looking, see
      `targets.read_targets`.
    task_type: `'binary'`, `'multiclass'` or `'regression'`; None = by looking.
    metric: Metric as in `Schema`; None = the first of `METRICS[task_type]`.
    on_invalid: `'error'` or `'skip'` rows with a SMILES that RDKit refuses.
    num_workers: Processes; None = one per core.
    split: Shares of train, valid and test, where no column says.
    split_column: The column that says; None = the one that is called `split`.
    id_column: A column whose texts are kept, to know the molecules by.

  Returns:
    The store; it keeps each molecule's row, SMILES and id.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file, a label or a SMILES is wrong; the message names file
      and row. Rows count from 1 after the header.
  """
  table, texts, columns = _read_molecules(
    path, smiles_column, id_column, on_invalid, num_workers
  )
  others = [*texts.values()]
  named = read_split(table, split_column, others)
  targets = read_targets(
    table, label_columns, [*others, *(named or ())[:1]], task_type
  )
  notes = list(targets.notes)
  if named:
    splits = {s: np.flatnonzero(named[1] == s) for s in SPLITS}
    where = f"the column {named[0]!r}"
  else:
    fields = table.column(texts["smiles"]).fields
    try:
      splits, told = scaffold_split(fields, split, num_workers)
    except ValueError as error:
      raise ValueError(f"{path}: {error}") from None
    where = "by scaffold, in shares of {:g}, {:g} and {:g}".format(*split)
    notes += told
  metric = metric or METRICS.get(targets.task_type, ("",))[0]
  schema = molecule_schema(
    os.path.basename(path),
    targets.task_type,
    metric,
    targets.names,
    _num_classes(targets.task_type, targets.labels, targets.class_names),
  )
  return _store(
    dataclasses.replace(
      schema,
      class_names=targets.class_names,
      split_from=where,
      notes=tuple(notes),
    ),
    columns,
    targets.labels,
    splits,
    table.rows,
    {key: table.column(name).fields for key, name in texts.items()},
  )


def _read_molecules(
  path: str | os.PathLike[str],
  smiles_column: str,
  id_column: str | None,
  on_invalid: str,
  num_workers: int | None,
) -> tuple[Table, dict[str, str], Columns]:
  """Returns the rows with valid SMILES, the columns of texts, the molecules."""
  if on_invalid not in ("error", "skip"):
    raise ValueError(
      f"on_invalid is {on_invalid!r}.{suggest(on_invalid, ('error', 'skip'))}"
    )
  table = read_table(path)
  texts = {"smiles": find_smiles(table, [smiles_column])}
  if id_column:
    texts["id"] = find_column(table, id_column) or id_column
    table.column(texts["id"])
  fields = table.column(texts["smiles"]).fields
  columns = molecules_to_columns(fields, num_workers)
  valid = columns.num_nodes > 0
  if valid.all():
    return table, texts, columns
  invalid = np.flatnonzero(~valid)
  message = f"{path}: {list_invalid(fields, invalid, table.rows[invalid])}"
  if on_invalid == "error":
    raise ValueError(
      f"{message}; --config.csv.on_invalid=skip leaves such rows out"
    )
  logging.warning("%s: skipped", message)
  # They have neither atoms nor bonds: only the counts know of them.
  columns = columns._replace(
    num_nodes=columns.num_nodes[valid], num_bonds=columns.num_bonds[valid]
  )
  return table.keep(valid), texts, columns


def find_smiles(
  table: Table,
  names: Sequence[str],
  option: str = "--config.csv.smiles_column",
) -> str:
  """Returns the column of SMILES, or says which may be meant.

  Args:
    table: Table in the file.
    names: What it may be called, the likeliest first.
    option: The one that names it.

  Raises:
    ValueError: There is no such column.
  """
  for name in names:
    if found := find_column(table, name, ignore_case=True):
      return found
  likely = [n for n in table.columns if "smiles" in n.lower()]
  likely = likely or [n for n in table.columns if _looks_like_smiles(table, n)]
  if likely:
    hint = f"{likely[0]!r} looks like one: {option}={likely[0]!r}"
  else:
    hint = f"{option} names the column of SMILES, but no column looks like one"
  raise ValueError(
    f"{table.path}: no column {names[0]!r}; {hint}. Its columns are"
    f" {', '.join(table.columns)}"
  )


def _looks_like_smiles(table: Table, name: str) -> bool:
  texts = [text for text in table.columns[name].texts if text.strip()]
  some = [text[:MOST_CHARACTERS] for text in texts[:_LOOKED_AT]]
  if not some or any(np.isfinite(number(text)) for text in some):
    return False
  return bool((columns_of(some).num_nodes > 0).all())


def list_invalid(
  smiles: Sequence[str], invalid: np.ndarray, rows: np.ndarray
) -> str:
  """Returns a sentence with the first ten of the invalid SMILES.

  Args:
    smiles: [M].
    invalid: Indices of those that RDKit refuses.
    rows: Their rows in the file.
  """
  pairs = zip(invalid[:10], rows[:10], strict=True)
  shown = [f"row {row}: {quoted(smiles[i])}" for i, row in pairs]
  more = ", ..." if len(invalid) > len(shown) else ""
  verb = "is" if len(invalid) == 1 else "are"
  return (
    f"{len(invalid)} of {len(smiles)} SMILES {verb} invalid,"
    f" {', '.join(shown)}{more}"
  )


def _num_classes(
  task_type: str, labels: np.ndarray, class_names: Sequence[str] = ()
) -> int:
  if task_type != "multiclass":
    return 0
  return len(class_names) or int(np.nanmax(labels, initial=0)) + 1


def _store(
  schema: Schema,
  columns: Columns,
  labels: np.ndarray,
  splits: Mapping[str, np.ndarray],
  rows: np.ndarray | None = None,
  texts: Mapping[str, Sequence[str]] | None = None,
) -> GraphStore:
  return build_from_undirected(
    schema,
    labels=np.asarray(labels, np.float32),
    splits=splits,
    source=schema.name,
    rows=rows,
    texts=texts,
    **columns._asdict(),
  )
