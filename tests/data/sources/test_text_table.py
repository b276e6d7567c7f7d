"""A user's CSV is read whole, or the row that is wrong is named."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from gnn_readout.data.sources.text_table import read_table

TEXT = 'smiles,"y, mM",note\nCCO,1,"a\nb"\n\nCCN,, \nC,NA,7\nN,0.5,nan\n'


@pytest.fixture(params=["a.csv", "a.csv.gz"])
def write(request, tmp_path):
  def write(text: str):
    path = tmp_path / request.param
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path

  return write


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_columns_and_rows(write, mark, newline):
  table = read_table(write(mark + TEXT.replace("\n", newline)))
  assert list(table.columns) == ["smiles", "y, mM", "note"]
  assert list(table.column("smiles")) == ["CCO", "CCN", "C", "N"]
  np.testing.assert_array_equal(table.rows, [1, 3, 4, 5])
  np.testing.assert_array_equal(
    table.numbers("y, mM"), np.array([1, np.nan, np.nan, 0.5], np.float32)
  )
  assert not table.has_numbers("smiles")
  assert table.has_numbers("note")
  kept = table.keep(np.array([False, True, False, True]))
  assert list(kept.column("smiles")) == ["CCN", "N"]
  np.testing.assert_array_equal(kept.rows, [3, 5])


def test_text_among_numbers_is_named(write):
  path = write("x,y\na,1\nb,2\nc,active\n")
  with pytest.raises(
    ValueError, match=f"{path}: row 3, column 'y': 'active' is not a number"
  ):
    read_table(path).numbers("y")


@pytest.mark.parametrize("text", ["inf", "-1e99"])  # The latter in float32.
@pytest.mark.filterwarnings("error")
def test_infinity_is_no_number(write, text):
  with pytest.raises(ValueError, match=f"row 1, column 'y': '{text}'"):
    read_table(write(f"x,y\na,{text}\n")).numbers("y")


def test_unknown_column_gets_a_suggestion(write):
  with pytest.raises(ValueError, match=r"no column 'smile'\. Did you mean"):
    read_table(write(TEXT)).column("smile")


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("", "no rows"),
    ("smiles,y\n", "no rows"),
    ("smiles,y\nC,1\nCC\n", "row 2 has 1 fields, but the header 2"),
    ("smiles,y\nC,1,2\n", "row 1 has 3 fields, but the header 2"),
    ("y,y\n1,2\n", "two columns"),
  ],
)
def test_wrong_tables_are_named(write, text, words):
  path = write(text)
  with pytest.raises(ValueError, match=re.escape(f"{path}: {words}")):
    read_table(path)


def test_not_text(tmp_path):
  path = tmp_path / "a.csv"
  path.write_bytes(b"smiles,y\n\xff\xfe,1\n")
  with pytest.raises(ValueError, match=f"{path}: "):
    read_table(path)


def test_truncated_gzip(tmp_path):
  path = tmp_path / "a.csv.gz"
  path.write_bytes(gzip.compress(TEXT.encode())[:-11])
  with pytest.raises(ValueError, match=f"{path}: "):
    read_table(path)


def test_no_file(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"a.csv: no such file"):
    read_table(tmp_path / "a.csv")
