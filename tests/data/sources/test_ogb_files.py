"""Features, labels and splits made from SMILES are those of OGB's own files."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import scaffolds, smiles

LABELS = {
  "molbace": "Class",
  "molesol": "measured log solubility in mols per litre",
}


@pytest.mark.parametrize("name", LABELS)
def test_every_value_and_every_index(data_dir, tmp_path, name):
  ogb = data.load(f"ogbg-{name}", data_dir, tmp_path / "cache")
  mapping = data_dir / "ogb" / f"ogbg_{name}" / "mapping" / "mol.csv.gz"
  with gzip.open(mapping, "rt", encoding="utf-8") as file:
    rows = [(x["smiles"], x[LABELS[name]]) for x in csv.DictReader(file)]
  path = tmp_path / "mine.csv"
  with path.open("w", newline="", encoding="utf-8") as file:
    csv.writer(file).writerows([("smiles", "y"), *rows])
  mine = smiles.read_csv(path, label_columns="y", split_by="ogb_scaffold")
  columns = "node_offsets edge_offsets nodes edges senders receivers labels"
  for column in columns.split():
    np.testing.assert_array_equal(
      getattr(mine, column), getattr(ogb, column), err_msg=column
    )
  assert mine.splits.keys() == ogb.splits.keys()
  for split, indices in ogb.splits.items():
    np.testing.assert_array_equal(mine.splits[split], np.sort(indices))
  assert mine.schema.split_from.startswith("by scaffold as in OGB")


def test_chirality_counts_and_chains_are_one_group():
  texts = [*("CC(C)C", "CCO", "CCN"), *("C[C@H]1CCNC1", "C[C@@H]1CCNC1")]
  texts += ["C1CC[C@H]2CCCC[C@H]2C1", "C1CC[C@H]2CCCC[C@@H]2C1"]
  found = scaffolds.ogb_scaffold_split(texts, (0.6, 0.2, 0.2)).splits
  # Three chains, two of pyrrolidine, and each decalin by itself.
  assert found["train"].tolist() == [0, 1, 2, 6]
  assert found["valid"].tolist() == [3, 4]
  assert found["test"].tolist() == [5]


def test_another_rule_is_refused(tmp_path):
  path = tmp_path / "mine.csv"
  path.write_text("smiles,y\nCC,1\n")
  with pytest.raises(ValueError, match="split_by is 'ogb'.*ogb_scaffold"):
    smiles.read_csv(path, split_by="ogb")


def test_too_few_groups_are_said():
  with pytest.raises(ValueError, match="2 molecules in 1 group of one"):
    scaffolds.ogb_scaffold_split(["CC", "CCC"])
