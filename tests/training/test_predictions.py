"""What is written of predictions names the graphs as their source does."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import special

from gnn_readout.data.sources import smiles
from gnn_readout.training.predictions import Predictions
from gnn_readout.training.sheets import check_path

pytest.importorskip("rdkit")


@pytest.fixture
def skipped(tmp_path):
  """Returns a function: the store of a file with rows that were skipped."""

  def read(labels, **options):
    molecules = ["CCO", "FAIL", "CC", "", "C=C", "[X]", "CN", "O=C=O", "C"]
    ids = ["a", "b", "=1+1", "d", "e", "f", "g", "-h", "i"]
    lines = ["id,smiles,y,split"]
    for i, (name, text) in enumerate(zip(ids, molecules)):
      split = ("train", "valid", "test")[i % 3]
      lines.append(f"{name},{text},{labels[i]},{split}" if text else "")
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines) + "\n")
    return smiles.read_csv(
      path, on_invalid="skip", id_column="id", num_workers=1, **options
    )

  return read


def rows_of(path):
  with open(path, newline="") as file:
    return list(csv.DictReader(file))


def test_rows_ids_and_smiles_are_those_of_the_file(skipped, tmp_path):
  store = skipped([0, 1, 1, 0, 0, 1, 1, 0, 1])
  # Any order; they are written in that of the store.
  index = np.array([4, 0, 2, 1])
  logits = np.array([[-1000.0], [0.5], [1000], [2]], np.float32)
  made = Predictions.of(store, index, logits)
  np.testing.assert_array_equal(made.index, [0, 1, 2, 4])
  # Rows 2, 4 and 6 are not there: an invalid one, a blank one, another one.
  rows, names = [1, 3, 5, 8], ["a", "=1+1", "e", "-h"]
  molecules = ["CCO", "CC", "C=C", "O=C=O"]
  made.write(tmp_path / "p.npz", store.schema)
  found = np.load(tmp_path / "p.npz")  # Without pickle.
  np.testing.assert_array_equal(found["row"], rows)
  np.testing.assert_array_equal(found["graph_index"], np.array(rows) - 1)
  assert (found["id"].tolist(), found["smiles"].tolist()) == (names, molecules)
  np.testing.assert_array_equal(found["logits"][:, 0], [0.5, 2, 1000, -1000])
  np.testing.assert_array_equal(found["labels"][:, 0], [0, 1, 0, 0])
  made.write(tmp_path / "p.csv", store.schema)
  written = rows_of(tmp_path / "p.csv")
  assert [int(row["row"]) for row in written] == rows
  assert [int(row["graph_index"]) for row in written] == found[
    "graph_index"
  ].tolist()
  assert [row["smiles"] for row in written] == molecules
  # No spreadsheet computes what a file says.
  assert [row["id"] for row in written] == ["a", "'=1+1", "e", "'-h"]
  predicted = [float(row["predicted y"]) for row in written]
  np.testing.assert_allclose(
    predicted, special.expit([0.5, 2, 1000, -1000]), rtol=1e-6
  )
  assert [float(row["y"]) for row in written] == [0, 1, 0, 0]


def test_values_and_labels_that_are_missing(skipped, tmp_path):
  store = skipped([0.1, 1, "", 0, 0.5, 1, 7.5, 2.5, 1e6])
  assert store.schema.task_type == "regression"
  made = Predictions.of(
    store, np.arange(3), np.array([[1.5], [-1e-20], [1e6]], np.float32)
  )
  made.write(tmp_path / "p.CSV", store.schema)
  written = rows_of(tmp_path / "p.CSV")
  predicted = [float(row["predicted y"]) for row in written]
  np.testing.assert_allclose(predicted, [1.5, -1e-20, 1e6], rtol=1e-7)
  assert [row["y"] for row in written] == ["0.1", "", "0.5"]


def test_classes_go_by_their_names(skipped, tmp_path):
  words = ["high", "low", "=mid", "low", "low", "high", "high", "=mid", "low"]
  store = skipped(words, label_columns="y")
  assert store.schema.class_names == ("=mid", "high", "low")
  logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
  Predictions.of(store, np.arange(6), logits).write(
    tmp_path / "p.csv", store.schema
  )
  written = rows_of(tmp_path / "p.csv")
  names = np.array(["'=mid", "high", "low"])
  chosen = names[logits.argmax(axis=1)].tolist()
  assert [row["predicted y"] for row in written] == chosen
  expected = ["high", "'=mid", "low", "high", "'=mid", "low"]
  assert [row["y"] for row in written] == expected
  shares = [
    [float(row[f"probability of {name}"]) for name in ("=mid", "high", "low")]
    for row in written
  ]
  np.testing.assert_allclose(
    shares, special.softmax(logits.astype(float), axis=1), rtol=1e-6
  )


def test_a_dataset_without_rows_has_numbers_alone(make_store, tmp_path):
  store = make_store()
  made = Predictions.of(store, np.array([5, 3]), np.zeros((2, 3), np.float32))
  made.write(tmp_path / "p.npz", store.schema)
  found = np.load(tmp_path / "p.npz")
  assert set(found) == {"graph_index", "logits", "labels"}
  np.testing.assert_array_equal(found["graph_index"], [3, 5])


def test_an_ending_of_no_kind():
  with pytest.raises(ValueError, match=r"'p.csw': .* Did you mean '\.csv'"):
    check_path("p.csw")
