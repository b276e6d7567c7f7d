"""24 primary screens of PubChem: data of ogbg-molpcba's kind and size.

472,128 molecules of the screening library that ogbg-molpcba is drawn from, and
24 assays that are not among its 128 (`aid_N`, PubChem's number of the assay):
62.9% of the labels are measured and 0.81% of those are active. The split is by
Murcko scaffold, 80/10/10. `pubchem-hts24-small` has every molecule that is
active in any assay and as many others, so its active share is 3.2%, and its
average precision is not that of the whole.

PubChem's data are in the public domain; the table was packaged by the PyPI
project DataValuationPlatform 0.8 (MIT). Nothing is fetched: the file is to be
put in the folder `csv` of the data.
"""

from __future__ import annotations

import dataclasses
import pathlib

from gnn_readout.data.sources import smiles
from gnn_readout.data.sources.base import Path
from gnn_readout.data.store import GraphStore

FILES = {
  "pubchem-hts24": "pubchem_hts24.csv.gz",
  "pubchem-hts24-small": "pubchem_hts24_small.csv.gz",
}


def csv_files(name: str, data_dir: Path) -> list[pathlib.Path]:
  """Returns the only file of a dataset.

  Raises:
    FileNotFoundError: It is not there.
  """
  path = pathlib.Path(data_dir, "csv", FILES[name])
  if not path.is_file():
    raise FileNotFoundError(
      f"{path}: no such file; it cannot be downloaded, so put the table of"
      f" {name} there, with the columns smiles, split and aid_N"
    )
  return [path]


def read_pubchem(name: str, data_dir: Path) -> GraphStore:
  """Reads one of `FILES`: 24 binary tasks, scored by average precision.

  Args:
    name: A key of `FILES`.
    data_dir: Folder of the datasets.

  Returns:
    The store, under that name.

  Raises:
    FileNotFoundError: As `csv_files`.
    ValueError: The table is wrong; the message names file and row.
  """
  (path,) = csv_files(name, data_dir)
  store = smiles.read_csv(
    path, task_type="binary", metric="ap", split_column="split"
  )
  schema = dataclasses.replace(store.schema, name=name)
  return dataclasses.replace(store, schema=schema)
