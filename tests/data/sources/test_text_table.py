"""A user's CSV is read whole, or the row that is wrong is named."""

from __future__ import annotations

import csv
import gzip
import re

import numpy as np
import pytest

from gnn_readout.data.sources import text_table
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
  assert list(table.column("smiles").fields) == ["CCO", "CCN", "C", "N"]
  np.testing.assert_array_equal(table.rows, [1, 3, 4, 5])
  np.testing.assert_array_equal(
    table.numbers("y, mM"), np.array([1, np.nan, np.nan, 0.5], np.float32)
  )
  kept = table.keep(np.array([False, True, False, True]))
  assert list(kept.column("smiles").fields) == ["CCN", "N"]
  np.testing.assert_array_equal(kept.rows, [3, 5])


def test_text_among_numbers_is_named(write):
  path = write("x,y\na,1\nb,2\nc,active\n")
  with pytest.raises(
    ValueError, match=f"{path}: row 3, column 'y': 'active' is not a number"
  ):
    read_table(path).numbers("y")


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("inf", "not a number"),
    ("-Infinity", "not a number"),
    ("-1e99", "out of float32's range"),
    ("1e999", "out of float32's range"),
    ("1_5", "not a number"),
    ("100_1", "not a number"),
    ("0x1F", "not a number"),
    ("1 5", "not a number"),
    (">10", "not a number"),
  ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_number(write, text, words):
  with pytest.raises(
    ValueError, match=f"row 2, column 'y': '{text}' is {words}"
  ):
    read_table(write(f"x,y\nb,1\na,{text}\n")).numbers("y")


@pytest.mark.parametrize("text", [" 1.5", "1.5 ", "+1.5", "15e-1", "1.50"])
def test_what_is_a_number(write, text):
  assert read_table(write(f"x,y\na,{text}\n")).numbers("y") == [1.5]


@pytest.mark.parametrize("note", ["", '"a, b"'])
def test_both_readers_agree(write, note):
  rng = np.random.default_rng(2)
  fields = ["C", "", "0.5", " x", "é", "'", "1e5", "nan"]
  rows = [[*rng.choice(fields, 3), "z"] for _ in range(40)]
  text = "\r\n".join(",".join(row) for row in [["a", "b", "c", "d"], *rows])
  table = read_table(write(f"{text}\r\n{note},,,\r\n"))
  for i, name in enumerate("abcd"):
    found = list(table.column(name).fields)[:40]
    assert found == [row[i] for row in rows]
  assert len(table.rows) == 40 + bool(note)


def test_empty_columns_at_the_end(write):
  for header in "smiles,y,,", "smiles,y":
    table = read_table(write(f"{header}\nC,1,,\nCC,2,,\n"))
    assert list(table.columns) == ["smiles", "y"]
    np.testing.assert_array_equal(table.numbers("y"), [1, 2])


def test_a_quote_that_is_not_closed(write):
  rows = [f"{'C' * (i + 1)},{i},x" for i in range(200)]
  head = "smiles,y,note\n"
  open_end = [*rows[:50], 'C,1,"oh', *rows[50:]]
  with pytest.raises(ValueError, match="row 51: .*: a quote is left open"):
    read_table(write(head + "\n".join(open_end)))
  closed = [*open_end[:150], 'C,1,"so"', *open_end[150:]]
  with pytest.raises(ValueError, match="row 51: .*: a quote is left open"):
    read_table(write(head + "\n".join(closed)))
  swallowed = [*open_end[:150], 'C,1,so"', *open_end[150:]]
  with pytest.raises(ValueError, match="row 51 has a field of 101 lines that"):
    read_table(write(head + "\n".join(swallowed)))
  with pytest.raises(ValueError, match=r"the header: .* left open"):
    read_table(write('smiles,"y\n' + "\n".join(rows)))


def test_a_long_field(write):
  long = "01" * 100_000
  text = f'smiles,y,bits,"note"\nC,1,{long},\nCC,2,"{long}",\n'
  table = read_table(write(text))
  assert list(table.column("bits").fields) == [long, long]
  with pytest.raises(ValueError, match=r"'01.*\.\.\.' \(200,000 characters\)"):
    read_table(write(text)).numbers("bits")
  assert csv.field_size_limit() == 131_072


def test_an_endless_line(write, monkeypatch):
  monkeypatch.setattr(text_table, "_MAX_LINE", 1000)
  with pytest.raises(ValueError, match="row 2 is longer than"):
    read_table(write("x,y\n1,2\n" + "," * 1200 + "\n"))


def test_other_separators(write, tmp_path):
  with pytest.raises(ValueError, match="separated by ',', not by ';'"):
    read_table(write("smiles;y\nC;1\n"))
  (tmp_path / "A.TSV").write_text("smiles\ty\nC\t1,5\n")
  assert list(read_table(tmp_path / "A.TSV").column("y").fields) == ["1,5"]
  (tmp_path / "a.smi").write_text("CCO ethanol 96%\n\nC\tmethane\nN\n")
  table = read_table(tmp_path / "a.smi")
  assert list(table.column("smiles").fields) == ["CCO", "C", "N"]
  assert list(table.column("name").fields) == ["ethanol 96%", "methane", ""]
  np.testing.assert_array_equal(table.rows, [1, 3, 4])


def test_unknown_column_gets_a_suggestion(write):
  with pytest.raises(ValueError, match=r"no column 'smile'\. Did you mean"):
    read_table(write(TEXT)).column("smile")


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("", "no rows"),
    ("smiles,y\n", "no rows"),
    ("smiles,y\nC,1\nCC\n", "row 2 has 1 field, but the header 2"),
    ("smiles,y\nC,1,2\n", "row 1 has 3 fields, but the header 2"),
    ("y,x,y\n1,2,3\n", "columns 1 and 3 of the header have the same name"),
  ],
)
def test_wrong_tables_are_named(write, text, words):
  path = write(text)
  with pytest.raises(ValueError, match=re.escape(f"{path}: {words}")):
    read_table(path)


def test_not_text(tmp_path):
  path = tmp_path / "a.csv"
  for quote in (b"", b'"C",1\n'):
    path.write_bytes(b"smiles,y\nC,1\n\xff\xfe,1\n" + quote)
    with pytest.raises(ValueError, match=f"{path}: row 2: the byte 0xff is no"):
      read_table(path)
  path.write_text("smiles,y\nC,1\n", encoding="utf-16")
  with pytest.raises(
    ValueError, match="it is encoded as UTF-16: save it as UTF-8"
  ):
    read_table(path)


def test_truncated_gzip(tmp_path):
  path = tmp_path / "a.csv.gz"
  path.write_bytes(gzip.compress(TEXT.encode())[:-11])
  with pytest.raises(ValueError, match=f"{path}: "):
    read_table(path)


def test_no_file(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"a.csv: no such file"):
    read_table(tmp_path / "a.csv")


@pytest.mark.parametrize(
  ("text", "words"),
  [
    (b"x,y\n1,2\n" + b"," * 1_200_000 + b"\n",
     "row 2 has 1,200,000 of ',', more than 1,000,000"),
    (b"," * 1_200_000 + b"\n1,2\n",
     "the header has 1,200,000 of ',', more than 1,000,000"),
    (b"x" + b"," * 100_000 + b"\n1,2\n",
     "the header has 100,001 fields, more than 100,000"),
  ],
)  # fmt: skip
def test_a_line_of_commas(tmp_path, text, words):
  (tmp_path / "a.csv").write_bytes(text)
  with pytest.raises(ValueError, match=re.escape(f"a.csv: {words}") + "$"):
    read_table(tmp_path / "a.csv")
