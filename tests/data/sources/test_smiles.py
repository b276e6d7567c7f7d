"""SMILES become the graphs of OGB, from lists and from CSV files."""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import os
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from gnn_readout.data.sources import chunks, featurise, molecules, smiles

pytest.importorskip("rdkit")

# Chirality, stereo, charge, radicals, metals, dummies, isotopes, salts, rings
# of every kind, one atom, and many neighbours.
VARIED = [
  "C",
  "[H][H]",
  "[Na+].[Cl-]",
  "O1C=C[C@H]([C@H]1O2)c3c2cc(OC)c4c3OC(=O)C5=C4CCC(=O)5",
  "Cl[C@H](/C=C/C)Br",
  "C/C=C\\C",
  "CC#N",
  "N#N",
  "*c1ccccc1",
  "[13CH4]",
  "[CH3]",
  "[O][O]",
  "F[P](F)(F)(F)F",
  "F[S](F)(F)(F)(F)F",
  "CCC1=[O+][Cu-3]2([O+]=C(CC)C1)[O+]=C(CC)CC(CC)=[O+]2",
  "[Fe+6]",
  "c1ccc2[nH]ccc2c1",
  "C[N+](=O)[O-]",
  "B(O)O",
  "C[Si](C)(C)C",
  "F[Pt@SP1](Cl)(Br)I",
  "O=[Os](=O)(=O)=O",
  "C1CC2CCC1CC2",
  "[NH3][Co]([NH3])([NH3])([NH3])([NH3])[NH3]",
  "N->[Cu]",
]
INVALID = ["C1CC", "", "c1cccc1", "not a molecule", "C(C)(C)(C)(C)C"]


@pytest.fixture(scope="module")
def smiles2graph():
  """OGB's own function, imported without its look for a newer version."""
  stub = types.ModuleType("outdated")
  stub.check_outdated = lambda name, version: (False, version)
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, "outdated", stub)
    mol = pytest.importorskip("ogb.utils.mol")
  return mol.smiles2graph


def assert_as_ogb(texts, smiles2graph) -> None:
  columns = featurise.molecules_to_columns(texts, num_workers=1)
  first_node = first_bond = 0
  for i, text in enumerate(texts):
    expected = smiles2graph(text)
    nodes = columns.nodes[first_node : first_node + columns.num_nodes[i]]
    np.testing.assert_array_equal(nodes, expected["node_feat"], err_msg=text)
    own = slice(first_bond, first_bond + columns.num_bonds[i])
    # OGB lists every bond twice, the inverse after it.
    np.testing.assert_array_equal(
      columns.bonds[own], expected["edge_index"].T[::2], err_msg=text
    )
    np.testing.assert_array_equal(
      columns.bond_features[own], expected["edge_feat"][::2], err_msg=text
    )
    first_node += columns.num_nodes[i]
    first_bond += columns.num_bonds[i]
  assert (first_node, first_bond) == (len(columns.nodes), len(columns.bonds))


def test_features_are_ogbs(smiles2graph):
  assert_as_ogb(VARIED, smiles2graph)


def test_features_are_ogbs_on_real_molecules(data_dir, smiles2graph):
  path = data_dir / "ogb" / "ogbg_molhiv" / "mapping" / "mol.csv.gz"
  with gzip.open(path, "rt") as file:
    texts = [row["smiles"] for row in csv.DictReader(file)]
  chosen = np.random.default_rng(0).choice(len(texts), 307, replace=False)
  assert_as_ogb([texts[i] for i in chosen], smiles2graph)


def test_features_are_those_of_the_raw_files(data_dir):
  name = "ogbg-moltox21"
  raw = molecules.read_ogb(name, data_dir)
  path = molecules.ogb_folder(name, data_dir) / "mapping" / "mol.csv.gz"
  with gzip.open(path, "rt") as file:
    texts = [row["smiles"] for row in csv.DictReader(file)][:401]
  columns = featurise.molecules_to_columns(texts)
  np.testing.assert_array_equal(columns.num_nodes, raw.num_nodes[:401])
  np.testing.assert_array_equal(2 * columns.num_bonds, raw.num_edges[:401])
  np.testing.assert_array_equal(
    columns.nodes, raw.nodes[: raw.node_offsets[401]]
  )


def test_features_stay_in_their_vocabulary():
  columns = featurise.molecules_to_columns(VARIED)
  assert (columns.nodes < molecules.ATOM_SIZES).all()
  assert (columns.bond_features < molecules.BOND_SIZES).all()


def test_invalid_molecules_have_no_atoms_and_no_noise(capfd):
  columns = featurise.molecules_to_columns(["CO", *INVALID, "CC"])
  np.testing.assert_array_equal(columns.num_nodes, [2, 0, 0, 0, 0, 0, 2])
  np.testing.assert_array_equal(columns.num_bonds, [1, 0, 0, 0, 0, 0, 1])
  assert capfd.readouterr() == ("", "")


def test_a_process_that_reads_smiles_imports_no_jax():
  code = (
    "import sys; from gnn_readout.data.sources import featurise;"
    " print({'jax', 'jraph', 'haiku'} & {*sys.modules})"
  )
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True
  )
  assert done.stdout == "set()\n", done.stderr


def test_no_molecules():
  columns = featurise.molecules_to_columns([])
  assert columns.nodes.shape == (0, 9)
  assert columns.bonds.shape == (0, 2)


@pytest.fixture
def few_are_many(monkeypatch):
  monkeypatch.setattr(chunks, "_PARALLEL_FROM", 2)
  monkeypatch.setattr(chunks, "_CHUNK", 7)


def test_processes_change_nothing(few_are_many):
  alone = featurise.molecules_to_columns(VARIED, num_workers=1)
  together = featurise.molecules_to_columns(VARIED, num_workers=2)
  for a, b in zip(alone, together, strict=True):
    np.testing.assert_array_equal(a, b)


def die_in_a_worker(chunk):
  if multiprocessing.parent_process() is not None:
    os._exit(1)
  return len(chunk)


def test_a_dead_process_is_survived(few_are_many, caplog):
  sizes = chunks.in_chunks(die_in_a_worker, VARIED, 2)
  assert sizes == [7, 7, 7, 4]
  assert "the rest is read in a single process" in caplog.text


def make_store(**changes):
  values = {
    "name": "three",
    "smiles": ["CO", "c1ccccc1", "[Na+].[Cl-]"],
    "labels": np.array([[0.0, 1.0], [1.0, np.nan], [np.nan, 0.0]]),
    "task_names": ["a", "b"],
    "splits": {"train": np.array([2, 0]), "test": np.array([1])},
  }
  return smiles.smiles_to_store(**{**values, **changes})


def test_store_of_a_list():
  store = make_store()
  np.testing.assert_array_equal(store.num_nodes, [2, 6, 2])
  np.testing.assert_array_equal(store.num_edges, [2, 12, 0])
  assert store.schema.node_sizes == molecules.ATOM_SIZES
  assert store.schema.metric == "ap"
  assert store.schema.task_names == ("a", "b")
  assert store.labels.dtype == np.float32


def test_store_of_classes():
  store = make_store(
    labels=np.array([[0], [4], [np.nan]]),
    task_names=["class"],
    task_type="multiclass",
    metric="accuracy",
  )
  assert store.schema.num_classes == 5


def test_store_refuses_invalid_molecules():
  with pytest.raises(ValueError, match=r"three: 1 of 3 .*, row 1: 'C1CC'"):
    make_store(smiles=["CO", "C1CC", "C"])


@pytest.fixture
def write(tmp_path):
  def write(rows, name="mine.csv"):
    with open(tmp_path / name, "w", newline="") as file:
      csv.writer(file).writerows(rows)
    return tmp_path / name

  return write


def make_rows():
  """A header and 11 molecules with two labels and two columns of text."""
  rows = [["id", "smiles", "active", "toxic", "note"]]
  for i in range(11):
    toxic = ["0", "1.0", ""][i % 3]
    rows.append([f"m{i}", "C" * (i + 1), i % 2, toxic, ""])
  return rows


def test_csv_takes_the_columns_of_numbers(write):
  path = write(make_rows())
  store = smiles.read_csv(path)
  assert store.schema.name == "mine.csv"
  assert store.schema.task_names == ("active", "toxic")
  assert store.schema.task_type == "binary"
  assert store.schema.metric == "ap"
  np.testing.assert_array_equal(store.num_nodes, np.arange(1, 12))
  np.testing.assert_array_equal(
    store.labels[:3], np.array([[0, 0], [1, 1], [0, np.nan]], np.float32)
  )
  assert {name: len(s) for name, s in store.splits.items()} == {
    "train": 9,
    "valid": 1,
    "test": 1,
  }


def test_csv_with_real_labels_is_regression(write):
  rows = make_rows()
  for i, row in enumerate(rows[1:]):
    row[2], row[3] = i / 7, -i / 2
  store = smiles.read_csv(write(rows))
  assert store.schema.task_type == "regression"
  assert store.schema.metric == "rmse"
  assert store.labels[3, 0] == np.float32(3 / 7)
  rows[0][1] = "SMILES"
  named = smiles.read_csv(
    write(rows),
    smiles_column="SMILES",
    label_columns=["toxic"],
    task_type="regression",
    metric="mae",
  )
  assert named.schema.metric == "mae"
  np.testing.assert_array_equal(named.labels, store.labels[:, 1:])


def test_csv_follows_its_split_column(write):
  rows = [["smiles", "y", "split"]]
  names = ["valid", "train", "test", "train", "train"]
  rows += [["C" * (i + 1), i % 2, name] for i, name in enumerate(names)]
  store = smiles.read_csv(write(rows))
  assert store.schema.task_names == ("y",)
  np.testing.assert_array_equal(store.splits["train"], [1, 3, 4])
  np.testing.assert_array_equal(store.splits["valid"], [0])
  np.testing.assert_array_equal(store.splits["test"], [2])
  rows[3][2] = "tset"
  with pytest.raises(ValueError, match=r"row 3: split 'tset'\. Did you mean"):
    smiles.read_csv(write(rows))
  rows[3][2] = "train"
  with pytest.raises(ValueError, match="split 'test' is empty"):
    smiles.read_csv(write(rows))


def test_csv_names_invalid_molecules_by_row(write, caplog):
  rows = make_rows()
  rows[2][1], rows[7][1] = "C1CC", ""
  path = write(rows)
  message = f"{path}: 2 of 11 SMILES are invalid, row 2: 'C1CC', row 7: ''"
  with pytest.raises(ValueError, match=re.escape(message)):
    smiles.read_csv(path)
  store = smiles.read_csv(path, on_invalid="skip")
  assert message + ": skipped" in caplog.text
  np.testing.assert_array_equal(store.num_nodes, [1, 3, 4, 5, 6, 8, 9, 10, 11])
  assert np.isnan(store.labels[1, 1])
  assert sum(map(len, store.splits.values())) == 9
  with pytest.raises(ValueError, match="Did you mean 'skip'"):
    smiles.read_csv(path, on_invalid="skp")


def test_csv_lists_ten_invalid_molecules(write):
  rows = make_rows() + make_rows()[1:]
  for row in rows[1:]:
    row[1] = "("
  with pytest.raises(
    ValueError,
    match=r"22 of 22 .*, row 10: '\(', \.\.\.; --config\.csv\.on_inv",
  ):
    smiles.read_csv(write(rows))


@pytest.mark.parametrize(
  ("row", "column", "text", "words"),
  [
    (0, 1, "molecule", "no column 'smiles'"),
    (3, 2, "yes", "row 3, column 'active': 'yes' is not a number"),
    (3, 2, "7", "it is unclear which columns are labels"),
  ],
)
def test_csv_names_what_is_wrong(write, row, column, text, words):
  rows = make_rows()
  rows[row][column] = text
  path = write(rows)
  with pytest.raises(ValueError, match=re.escape(f"{path}: {words}")):
    smiles.read_csv(path)


def test_csv_names_the_row_of_a_label_after_rows_were_skipped(write):
  rows = make_rows()
  rows[2][1], rows[5][2] = "C1CC", 7
  with pytest.raises(ValueError, match=r"mine\.csv: the label of row 5, .* 7,"):
    smiles.read_csv(write(rows), task_type="binary", on_invalid="skip")


def test_csv_with_a_metric_of_another_task(write):
  known = "accuracy, ap, f1, mcc, rocauc"
  message = f"unknown metric 'rmse' for task_type 'binary'. Known: {known}"
  with pytest.raises(ValueError, match=message):
    smiles.read_csv(write(make_rows()), metric="rmse")


def test_csv_without_labels(write):
  path = write([row[:2] for row in make_rows()])
  with pytest.raises(ValueError, match="no column of numbers .* id, smiles"):
    smiles.read_csv(path)
  with pytest.raises(ValueError, match="no column 'y'"):
    smiles.read_csv(path, label_columns=["y"])


def test_csv_with_an_unknown_task_type(write):
  with pytest.raises(ValueError, match="Did you mean 'regression'"):
    smiles.read_csv(write(make_rows()), task_type="regresion")
