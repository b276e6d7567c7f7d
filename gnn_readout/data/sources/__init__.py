"""Where graphs come from: one row of `SOURCES` for each kind of dataset.

A new kind takes three things: a file of this folder that reads it, its row
here, and its test. The first row that matches a name is the one. Sources import
`store` and `building`, and no batches.
"""

from __future__ import annotations

import os

from gnn_readout.data.sources import (
  demo,
  folder,
  function,
  mnist,
  molecules,
  omniglot,
  pubchem,
  smiles,
  text_table,
  tfds,
  tu,
  tu_files,
)
from gnn_readout.data.sources.base import Source, file_at_path
from gnn_readout.errors import suggest

SOURCES: tuple[Source, ...] = (
  Source(
    written="demo",
    known=("demo",),
    matches=lambda name: name == "demo",
    files=lambda name, data_dir: [demo.__file__, smiles.__file__],
    read=lambda name, data_dir, **options: demo.make_demo(**options),
  ),
  # A folder of OGB's layout may hold a stand-in: its release note says so, and
  # the name of the store.
  Source(
    written="ogbg-molNAME",
    known=tuple(molecules.OGB_DATASETS),
    matches=lambda name: name.startswith("ogbg-"),
    files=lambda name, data_dir: [
      *molecules.ogb_files(name, data_dir).values()
    ],
    read=lambda name, data_dir: molecules.read_ogb(name, data_dir),
    archive=molecules.archive_of,
  ),
  Source(
    written="tu/NAME",
    known=tuple(f"tu/{name}" for name in tu_files.USUAL),
    matches=lambda name: name.startswith("tu/"),
    files=lambda name, data_dir: tu_files.tu_files(name[3:], data_dir),
    read=lambda name, data_dir, **options: tu.read_tu(
      name[3:], data_dir, **options
    ),
    section="tu",
    options={"features": str, "targets": str, "remove_duplicates": bool},
    archive=tu_files.archive_of,
  ),
  Source(
    written="pubchem-hts24",
    known=tuple(pubchem.FILES),
    matches=lambda name: name in pubchem.FILES,
    files=pubchem.csv_files,
    read=lambda name, data_dir: pubchem.read_pubchem(name, data_dir),
  ),
  Source(
    written="PATH.csv, .tsv or .smi (also .gz)",
    known=(),
    matches=text_table.is_table,
    files=file_at_path,
    read=lambda name, data_dir, **options: smiles.read_csv(name, **options),
    is_path=True,
    section="csv",
    options={
      "smiles_column": str,
      "label_columns": str,
      "split_column": str,
      "id_column": str,
      "task_type": str,
      "metric": str,
      "on_invalid": str,
      "split_by": str,
    },
  ),
  Source(
    written="omniglot",
    known=tuple(omniglot.DATASETS),
    matches=lambda name: name in omniglot.DATASETS,
    files=omniglot.zip_files,
    read=None,
    archive=omniglot.archive_of,
  ),
  Source(
    written="mnist-sets",
    known=tuple(mnist.DATASETS),
    matches=lambda name: name in mnist.DATASETS,
    files=mnist.files,
    read=None,
    archive=mnist.archive_of,
  ),
  Source(
    written="tfds/ogbg_molpcba",
    known=(tfds.DATASET,),
    matches=lambda name: name == tfds.DATASET,
    files=lambda name, data_dir: tfds.tfds_files(data_dir),
    read=lambda name, data_dir: tfds.read_tfds(data_dir),
  ),
  Source(
    written="MODULE:FUNCTION",
    known=(),
    matches=function.is_function,
    files=lambda name, data_dir: function.module_files(name),
    read=lambda name, data_dir: function.call(name),
    is_cached=False,
  ),
  # The last one: any path that is of none of the kinds above.
  Source(
    written="FOLDER of a store",
    known=(),
    matches=folder.is_folder,
    files=lambda name, data_dir: folder.store_files(name),
    read=lambda name, data_dir: folder.read_store(name),
    is_path=True,
    is_cached=False,
  ),
)


def is_there(dataset: str, data_dir: str | os.PathLike[str]) -> bool:
  """Returns whether the files that a dataset is made from are there.

  Raises:
    ValueError: As `find`.
  """
  try:
    return bool(find(dataset).files(dataset, data_dir))
  except FileNotFoundError:
    return False


def is_path(dataset: str) -> bool:
  """Returns whether a dataset is named by the path of its file or folder."""
  row = _row(dataset)
  return row is not None and row.is_path


def short_name(dataset: str) -> str:
  """Returns what a dataset is called in the names of files: no path."""
  return os.path.basename(os.path.normpath(dataset))


def find(dataset: str) -> Source:
  """Returns the row of a dataset.

  Raises:
    ValueError: There is none; the message says what may be written.
  """
  if source := _row(dataset):
    return source
  written = ", ".join(source.written for source in SOURCES if source.read)
  known = [name for source in SOURCES for name in source.known]
  raise ValueError(
    f"unknown dataset {dataset!r}; use one of {written}. Your own graphs can"
    " be a CSV file of SMILES, a folder written by"
    " gnn_readout.data.from_arrays or a similar function, or text files in"
    " the layout of the TU collection in DATA/tu/NAME"
    f" (docs/own-graphs.md).{suggest(dataset, known)}"
  )


def config_fields() -> list[str]:
  """Returns the fields of a config that decide its dataset, without folds."""
  sections = [row.section for row in SOURCES if row.section]
  return ["dataset", *sections]


def _row(dataset: str) -> Source | None:
  return next((row for row in SOURCES if row.matches(dataset)), None)
