"""What the columns of a table are taken for, and when that is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from gnn_readout.data.sources.targets import read_split, read_targets
from gnn_readout.data.sources.text_table import Column, Table

ROWS = 12


def make_table(**columns):
  """A table of `ROWS` rows; a column goes round its texts."""
  columns = {"smiles": ["C"], **columns}
  made = {}
  for name, texts in columns.items():
    fields = [str(texts[i % len(texts)]) for i in range(ROWS)]
    distinct, codes = np.unique(np.asarray(fields, object), return_inverse=True)
    made[name] = Column(distinct, codes.astype(np.int32))
  return Table("t.csv", np.arange(1, ROWS + 1), made)


def targets(table, chosen=None, task_type=None):
  return read_targets(table, chosen, ["smiles"], task_type)


@pytest.mark.parametrize(
  ("texts", "task_type", "classes", "first"),
  [
    (["0", "1", ""], "binary", (), [0, 1, np.nan]),
    (["1.0", "0"], "binary", (), [1, 0]),
    (["True", "false", "NA"], "binary", (), [1, 0, np.nan]),
    (["0", "2", "1"], "multiclass", ("0", "1", "2"), [0, 2, 1]),
    (["0.0", "2.0", "1.0"], "multiclass", ("0", "1", "2"), [0, 2, 1]),
    (["-1", "1"], "multiclass", ("-1", "1"), [0, 1]),
    (["10", "9", "30", ""], "multiclass", ("9", "10", "30"), [1, 0, 2, np.nan]),
    (["medium", "active", "N/A"], "multiclass", ("active", "medium"), [1, 0]),
    (["0.5", "1", "2"], "regression", (), [0.5, 1, 2]),
    (["7", "5", "4", "3", "8"], "regression", (), [7, 5, 4]),
    (["-3", "-2", "0"], "regression", (), [-3, -2, 0]),
  ],
)
def test_what_a_column_is_taken_for(texts, task_type, classes, first):
  found = targets(make_table(y=texts))
  assert (found.task_type, found.class_names) == (task_type, classes)
  assert found.names == ("y",) and found.notes == ()
  np.testing.assert_array_equal(
    found.labels[: len(first), 0], np.asarray(first, np.float32)
  )


def test_what_it_is_told_to_be():
  found = targets(make_table(y=["0", "2", "1"]), task_type="regression")
  assert found.task_type == "regression" and found.class_names == ()
  found = targets(make_table(y=["0", "1"]), task_type="multiclass")
  assert found.class_names == ("0", "1")
  found = targets(make_table(y=["1", "low", "2"]), "y", "multiclass")
  assert found.class_names == ("1", "2", "low")
  with pytest.raises(ValueError, match="is one column, not 2: y, z"):
    targets(make_table(y=["0", "1"], z=["1"]), task_type="multiclass")


def test_columns_that_are_no_labels():
  table = make_table(
    number=[*range(ROWS)],
    mol_id=[7, 3, 3],
    name=["aspirin", "5-FU", "2024", "none"],
    nothing=[""],
    Ipc=["1e69", "3"],
    y=["0.5", "2"],
  )
  found = targets(table)
  assert found.names == ("y",)
  assert found.notes == ("not used: number, mol_id, name, nothing, Ipc",)
  # Each may be chosen, and then has to be right.
  assert targets(table, "number").names == ("number",)
  with pytest.raises(ValueError, match="row 1, column 'Ipc': '1e69' is out of"):
    targets(table, "Ipc")
  with pytest.raises(ValueError, match="row 1, column 'name': 'aspirin' is"):
    targets(table, "name")
  with pytest.raises(ValueError, match="no labels in the column nothing"):
    targets(table, "nothing")


def test_several_columns():
  found = targets(make_table(y=["0", "1"], z=["1", ""]))
  assert found.names == ("y", "z") and found.task_type == "binary"
  found = targets(make_table(y=["0.5"], z=["2.5", ""]))
  assert found.names == ("y", "z") and found.task_type == "regression"
  table = make_table(rings=[0, 2], weight=["1.5"], y=["0.5"])
  with pytest.raises(
    ValueError,
    match=r"unclear .*: rings \(whole numbers\), weight \(numbers\), y"
    r" \(numbers\); .*--config\.csv\.label_columns=",
  ):
    targets(table)
  assert targets(table, "rings,y").task_type == "regression"
  assert targets(table, task_type="regression").names[0] == "rings"
  table = make_table(y=["0", "1"], z=["1.5"])
  with pytest.raises(
    ValueError, match="columns z are not 0 or 1 as the others"
  ):
    targets(table, "y,z")
  assert targets(table, "y,z", "regression").labels.shape == (ROWS, 2)
  found = targets(make_table(y=["0", "1"], empty=[""]), "y,empty")
  assert found.task_type == "binary" and np.isnan(found.labels[:, 1]).all()


def test_a_slip_among_numbers_is_named_and_the_option():
  table = make_table(y=[*range(11), ">10"], z=["0", "1"])
  with pytest.raises(
    ValueError, match=r"row 12, column 'y': '>10' is not a number; name the"
  ):
    targets(table)
  assert targets(table, "z").names == ("z",)


@pytest.mark.parametrize(
  ("chosen", "names"),
  [
    ("IC50, nM", ("IC50, nM",)),
    (" logS", (" logS",)),
    ("logS", (" logS",)),
    ("IC50, nM,logS", ("IC50, nM", " logS")),
    ('logS, "IC50, nM"', (" logS", "IC50, nM")),
    ("y, logS", ("y", " logS")),
    (["IC50, nM", "logS"], ("IC50, nM", " logS")),
  ],
)
def test_names_with_commas_and_blanks(chosen, names):
  table = make_table(**{"IC50, nM": ["1.5"], " logS": ["2.5"], "y": ["0.5"]})
  assert targets(table, chosen).names == names


def test_names_that_are_not_there_or_come_twice():
  table = make_table(y=["0", "1"], z=["1"])
  with pytest.raises(ValueError, match=r"no column 'zz'\. Did you mean 'z'"):
    targets(table, "y,zz")
  with pytest.raises(ValueError, match="label_columns names 'y' twice"):
    targets(table, "y, z,y")


WORDS = ["train", "valid", "test"]


@pytest.mark.parametrize("name", ["split", "Split", " SPLIT "])
@pytest.mark.parametrize(
  "words",
  [
    WORDS,
    ["Train", "VALID", " test "],
    ["training", "validation", "testing"],
    ["train", "val", "test"],
    ["train", "dev", "test"],
  ],
)
def test_split_words(name, words):
  found, split = read_split(make_table(**{name: words}), None, ["smiles"])
  assert found == name
  assert list(split[:3]) == WORDS


@pytest.mark.parametrize("text", ["0", "", "tset", "holdout"])
def test_other_words_of_a_split_are_refused(text):
  table = make_table(split=["train", text, "test"])
  with pytest.raises(ValueError, match=f"t.csv: row 2: split '{text}'"):
    read_split(table, None, [])


def test_a_split_by_another_name_is_chosen_and_never_ignored():
  table = make_table(fold=WORDS, y=["0", "1"])
  with pytest.raises(
    ValueError, match="'fold' seems to hold the split.*split_column='fold'"
  ):
    read_split(table, None, [])
  name, split = read_split(table, "fold", [])
  assert name == "fold" and list(split[:3]) == WORDS
  with pytest.raises(ValueError, match="the columns split, SPLIT may each"):
    read_split(make_table(split=WORDS, SPLIT=WORDS), None, [])
  assert read_split(make_table(y=["train"], z=["test", "no"]), None, []) is None


def test_words_that_are_no_numbers_are_nothing_to_warn_of():
  table = make_table(y=["True", "False"], name=["a", "b", "c"])
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert targets(table).names == ("y",)
