"""The screens of PubChem under their names."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data import sources

NAME = "pubchem-hts24-small"
ROWS = [
  ("CCO", "train", "1", ""),
  ("c1ccccc1", "train", "", "0"),
  ("CCN", "valid", "0", "1"),
  ("CC(=O)O", "test", "0", "0"),
]


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "csv").mkdir()
  path = tmp_path / "csv" / "pubchem_hts24_small.csv.gz"
  with gzip.open(path, "wt", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(("smiles", "split", "aid_628", "aid_873"))
    writer.writerows(ROWS)
  return tmp_path


def test_a_table_under_its_name(folder, tmp_path):
  store = data.load(NAME, folder, tmp_path / "cache")
  assert store.schema.name == NAME
  assert (store.schema.task_type, store.schema.metric) == ("binary", "ap")
  assert store.schema.task_names == ("aid_628", "aid_873")
  expected = [[float(x or "nan") for x in row[2:]] for row in ROWS]
  np.testing.assert_array_equal(store.labels, expected)
  splits = {s: x.tolist() for s, x in store.splits.items()}
  assert splits == {"train": [0, 1], "valid": [2], "test": [3]}


def test_a_file_that_is_not_there_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"pubchem_hts24\.csv\.gz.*put"):
    sources.find("pubchem-hts24").files("pubchem-hts24", tmp_path)


def test_the_real_table(data_dir, tmp_path):
  """What the README of the data says of it, from the file itself."""
  files = sources.find(NAME).files(NAME, data_dir)
  with gzip.open(files[0], "rt", newline="") as file:
    rows = list(csv.DictReader(file))
  splits = [row["split"] for row in rows]
  counts = {name: splits.count(name) for name in ("train", "valid", "test")}
  assert counts == {"train": 73562, "valid": 10335, "test": 11695}
  assert sum(name.startswith("aid_") for name in rows[0]) == 24
