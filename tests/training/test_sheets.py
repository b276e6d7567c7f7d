"""Tables in files of every kind."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from gnn_readout.training import sheets
from gnn_readout.training.sheets import Ragged, Sheet


def test_rows_of_ragged_numbers():
  offsets = np.array([0, 2, 2, 5])
  ragged = Ragged(offsets, np.arange(10.0).reshape(5, 2))
  taken = ragged.take(np.array([2, -1, 0, 1, 2]))
  assert taken.offsets.tolist() == [0, 3, 3, 5, 5, 8]
  expected = [[4, 5], [6, 7], [8, 9], [0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
  assert taken.values.tolist() == expected
  assert taken.row(2).tolist() == [[0, 1], [2, 3]]
  assert taken.row(1).shape == (0, 2)


@pytest.mark.parametrize("ending", ["csv", "npz", "parquet"])
def test_names_that_programs_use_themselves(tmp_path, ending):
  keys = {
    name: np.array(["a", ""], object) for name in ("file", "self", "a/b", "=x")
  }
  path = tmp_path / f"out.{ending}"
  results = {"y": np.array([0.1, np.nan])}
  sheets.write(path, Sheet(keys, results, {"predictions": results["y"]}))
  if ending == "npz":
    found = np.load(path)
    assert [*found] == [*keys, "predictions"]
    assert all(found[name].tolist() == ["a", ""] for name in keys)
  elif ending == "csv":
    with open(path, newline="") as file:
      rows = list(csv.reader(file))
    assert rows[0] == ["file", "self", "a/b", "'=x", "y"]
    assert rows[1:] == [["a"] * 4 + ["0.1"], [""] * 5]
  else:
    from pyarrow import parquet

    table = parquet.read_table(path).to_pydict()
    assert [*table] == [*keys, "y"]
    assert table["a/b"] == ["a", None] and table["y"][1] is None


def test_a_class_that_is_a_number_stays_one(tmp_path):
  classes = np.array(["-1", "+1", "-0.5", "-1,000", "-low", "=1"], object)
  sheets.write(tmp_path / "out.csv", Sheet({"-1": classes}, {}, {}))
  with open(tmp_path / "out.csv", newline="") as file:
    cells = [cell for (cell,) in csv.reader(file)]
  assert cells == [
    "-1", "-1", "+1", "-0.5", "-1,000", "'-low", "'=1",
  ]  # fmt: skip


def test_nothing_is_left_of_a_file_that_fails(tmp_path):
  path = tmp_path / "out.npz"
  path.write_bytes(b"before")
  broken = np.array([object()], object)
  with pytest.raises(ValueError):
    sheets.write(path, Sheet({}, {}, {"x": broken}))
  assert path.read_bytes() == b"before"
  assert [file.name for file in tmp_path.iterdir()] == ["out.npz"]
