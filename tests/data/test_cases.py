"""Small inputs that stand for what users met: the right graphs, or one line."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import smiles, tu, unlabelled

pytest.importorskip("rdkit")


@pytest.fixture
def read(cases):
  def read(name, **options):
    return smiles.read_csv(cases / name, num_workers=1, **options)

  return read


def place_of(store):
  """The split of each graph."""
  place = np.empty(store.num_graphs, object)
  for name, graphs in store.splits.items():
    place[graphs] = name
  return place


def test_06_numbered_atoms(read):
  store = read("06-atom-map-scaffold/a.csv")
  assert len(set(place_of(store)[:12])) == 1  # Toluene, numbered anew.


def test_07_molecules_written_in_two_ways(read):
  with pytest.raises(ValueError, match="40 rows with 2 molecules in 2 groups"):
    read("07-duplicate-molecules/a.csv")


def test_08_names_after_the_smiles(read):
  store = read("08-name-after-smiles/a.csv")
  np.testing.assert_array_equal(store.num_nodes, np.arange(1, 21))
  words = r"2 of 20 .*row 5: 'CCl2OZr', row 9: 'C1CCCCC1 \|bad stuff'; --config"
  with pytest.raises(ValueError, match=words):
    read("08-name-after-smiles/b.csv")
  store = read("08-name-after-smiles/b.csv", on_invalid="skip")
  assert store.texts["smiles"][5] == "  CCO" and store.num_nodes[5] == 3
  assert list(store.rows[:8]) == [1, 2, 3, 4, 6, 7, 8, 10]


def test_09_single_atoms(read):
  store = read("09-single-atoms/a.csv")
  assert set(store.num_nodes) == {1} and store.edges.shape == (0, 3)


def test_11_odd_column_names(read):
  path = "11-odd-column-names/a.csv"
  for chosen, names in (
    ("IC50, nM", ("IC50, nM",)),
    ("logS", (" logS",)),
    (" logS", (" logS",)),
  ):
    assert read(path, label_columns=chosen).schema.task_names == names


@pytest.mark.parametrize(
  ("number", "text"),
  [
    (0, "-"),
    (1, None),
    (2, "#N/A"),
    (3, None),
    (4, "missing"),
    (5, r"\?"),
    (6, ">10"),
  ],
)
def test_13_missing_tokens(read, number, text):
  path = f"13-missing-tokens/{number}.csv"
  for chosen in None, "y":
    if text is None:
      labels = read(path, label_columns=chosen).labels[:, 0]
      np.testing.assert_array_equal(np.flatnonzero(np.isnan(labels)), [3])
      continue
    with pytest.raises(
      ValueError, match=f"row 4, column 'y': '{text}' is not a number"
    ):
      read(path, label_columns=chosen)


def test_14_names_that_are_numbers(read):
  store = read("14-names-that-are-numbers/a.csv")
  assert store.schema.task_names == ("y",)
  assert "not used: name" in store.describe()


def test_23_no_edges_at_all(cases):
  store = tu.read_tu("NOEDGES", cases / "23-tu-no-edges")
  assert store.num_graphs == 40 and store.receivers.shape == (0,)


def test_24_several_targets_with_gaps(cases):
  store = tu.read_tu("MULTIREG", cases / "24-tu-regression")
  assert store.schema.task_type == "regression" and store.labels.shape[1] == 3
  np.testing.assert_array_equal(
    np.flatnonzero(np.isnan(store.labels[:, 2])), np.arange(0, 40, 7)
  )
  notes = " ".join(tu.read_tu("BOTH", cases / "24-tu-regression").describe())
  assert "learned: BOTH_graph_attributes.txt; there are labels too" in notes


def test_27_empty_graphs(cases):
  store = tu.read_tu("EMPTYFIRST", cases / "27-tu-empty-graphs")
  assert store.num_nodes[0] == 0 and store.num_graphs == 43


def test_28_attributes(cases):
  folder = cases / "28-tu-attributes"
  read = lambda name: tu.read_tu(name, folder, features="attribute")
  with pytest.raises(ValueError, match="row 1, column 4: '1_5' is not a num"):
    read("SCI")
  with pytest.raises(ValueError, match="row 2: 1e.30 is too large for a fea"):
    read("HUGE")
  assert read("TRAILCOMMA").schema.node_dim == 2 + 3
  assert tu.read_tu("HUGE", folder).schema.node_dim == 1


def test_30_a_path_says_where_it_was_looked_for(cases, monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(FileNotFoundError, match=f"a.csv: .* file in {tmp_path}"):
    data.load("a.csv", cache_dir=tmp_path)
  monkeypatch.chdir(cases / "30-relative-dataset")
  assert data.load("a.csv", cache_dir=tmp_path).num_graphs == 40


def test_31_a_long_field(read):
  store = read("31-long-field/a.csv", label_columns="y")
  assert store.num_graphs == 40
  with pytest.raises(
    ValueError, match=r"row 8: 'CCC.*\.\.\.' \(140,000 characters\)"
  ):
    read("31-long-field/b.csv")


@pytest.mark.parametrize("number", range(7))
def test_33_split_words(read, number):
  path = f"33-split-words/{number}.csv"
  if number in (2, 3):
    row, word = ((1, "0"), None, (5, ""))[number - 1 if number == 3 else 0]
    with pytest.raises(ValueError, match=f"row {row}: split '{word}'"):
      read(path)
    return
  store = read(path)
  assert (
    store.schema.split_from == f"the column {('split', 'Split')[number > 4]!r}"
  )
  if number < 6:
    sizes = {name: len(graphs) for name, graphs in store.splits.items()}
    assert sizes == {"train": 24, "valid": 8, "test": 8}


def test_34_a_task_without_labels(read):
  store = read("34-all-missing/a.csv")
  assert store.schema.task_names == ("y",)
  assert "not used: z" in store.describe()
  store = read("34-all-missing/a.csv", label_columns="y,z")
  assert "without a label: z" in store.describe()
  with pytest.raises(ValueError, match="no labels in the column z"):
    read("34-all-missing/a.csv", label_columns="z")
  with pytest.raises(ValueError, match="names 'y' twice"):
    read("34-all-missing/a.csv", label_columns="y,y")


def test_38_molecules_without_labels(cases, read):
  trained = read("34-all-missing/a.csv").schema
  path = cases / "38-predict-new-molecules/new.csv"
  table, column = unlabelled.read_molecules(path, ["SMILES"], "--column")
  np.testing.assert_array_equal(table.rows, [1, 2])
  texts = [*table.column(column).texts, "FAIL"]
  (window,) = unlabelled.windows(texts, trained)
  store = window.store
  assert store.schema.task_names == ("y",) and np.isnan(store.labels).all()
  np.testing.assert_array_equal(store.num_nodes, [3, 6])
  np.testing.assert_array_equal(window.graphs, [0, 1])
  np.testing.assert_array_equal(window.places, [0, 1])


def test_41_numbers_beyond_float32(read):
  store = read("41-beyond-float32/a.csv")
  assert store.schema.task_names == ("y",)
  with pytest.raises(
    ValueError, match="column 'Ipc': '5.424476e.69' is out of float32's range"
  ):
    read("41-beyond-float32/a.csv", label_columns="Ipc")


def test_42_a_table_of_descriptors(read):
  path = "42-descriptor-columns/a.csv"
  with pytest.raises(
    ValueError, match=r"predicted y .*, measured y \(numbers\); .*label_columns"
  ):
    read(path)
  store = read(path, label_columns="measured y", id_column="Compound ID")
  assert store.schema.task_type == "regression"
  assert store.texts["id"][3] == "compound 3"
  assert store.describe()[0].startswith("task 'measured y': regression, 100.0%")


def test_43_words_of_other_tools(read):
  for name in "a", "b":
    store = read(f"43-val/{name}.csv")
    assert store.schema.task_names == ("y",)
    np.testing.assert_array_equal(store.splits["valid"][:2], [3, 8])


def test_45_no_column_of_smiles(read):
  with pytest.raises(
    ValueError, match="no column 'smiles'; --config.csv.smiles_column names"
  ):
    read("45-no-smiles-column/a.csv")
  with pytest.raises(
    ValueError,
    match="'Drug SMILES' looks like one: --config.csv.smiles_column=",
  ):
    read("45-no-smiles-column/b.csv")
  store = read("45-no-smiles-column/b.csv", smiles_column="Drug SMILES")
  assert store.schema.task_names == ("y",)


def test_46_invalid_smiles(read):
  with pytest.raises(
    ValueError, match="2 of 40 .*; --config.csv.on_invalid=sk"
  ):
    read("46-invalid-smiles/a.csv")
  store = read("46-invalid-smiles/a.csv", on_invalid="skip")
  assert store.num_graphs == 38 and len(np.unique(store.rows)) == 38
  assert store.rows.max() == 40
