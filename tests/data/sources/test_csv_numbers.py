"""Numbers are read as Python reads them; a wrong field is named."""

from __future__ import annotations

import gzip
import re
import zipfile

import numpy as np
import pytest

from gnn_readout.data.sources import csv_numbers


@pytest.fixture
def write(tmp_path):
  def write(text: str):
    path = tmp_path / "table.csv.gz"
    with gzip.open(path, "wb") as file:
      file.write(text.encode())
    return path

  return write


@pytest.fixture(params=[7, 64, 4 << 20], autouse=True)
def block_bytes(request, monkeypatch):
  """Tables that need many blocks, and rows longer than a block."""
  monkeypatch.setattr(csv_numbers, "_CHUNK_BYTES", request.param)


@pytest.mark.parametrize("columns", [1, 2, 7])
@pytest.mark.parametrize("last_newline", ["\n", ""])
def test_integers(write, columns, last_newline):
  rng = np.random.default_rng(columns)
  table = rng.integers(0, 10 ** rng.integers(1, 10, (31, columns)))
  rows = [",".join(map(str, row)) for row in table]
  path = write("\n".join(rows) + last_newline)
  found = csv_numbers.read_integers(path, columns)
  assert found.dtype == np.int32
  np.testing.assert_array_equal(found, table)
  np.testing.assert_array_equal(
    csv_numbers.read_integers(path, columns, 31), table
  )


def test_integers_in_a_small_type(write):
  path = write("0,5\n4,250\n")
  found = csv_numbers.read_integers(path, 2, dtype=np.uint8, sizes=(5, 251))
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, [[0, 5], [4, 250]])


def test_reals_are_what_python_reads(write):
  texts = ["", "0", "1", "0.0", "1.0", "7.0", "nan", "-0.5", "1e-3", "12"]
  texts += ["9.9", "3.14159265", "-11", ".5", "5.", "1.00", "+2"]
  rng = np.random.default_rng(0)
  table = rng.choice(texts, (41, 3))
  found = csv_numbers.read_reals(
    write("".join(",".join(row) + "\n" for row in table)), 3, 41
  )
  expected = [[float(text or "nan") for text in row] for row in table]
  assert found.dtype == np.float32
  np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_column_of_empty_rows(write):
  np.testing.assert_array_equal(
    csv_numbers.read_reals(write("\n1\n\n"), 1), [[np.nan], [1], [np.nan]]
  )


def test_no_rows(write):
  assert csv_numbers.read_integers(write(""), 3).shape == (0, 3)
  assert csv_numbers.read_reals(write(""), 3, 0).shape == (0, 3)


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("1,2\n3,x4\n", "row 2, column 2: 'x4' is not a whole number"),
    ("1,2\n3,-4\n", "row 2, column 2: '-4' is not a whole number"),
    ("1,2\n3,\n", "row 2, column 2: '' is not a whole number"),
    ("1.0,2\n", "row 1, column 1: '1.0' is not a whole number"),
    ("9234567890,2\n", "row 1, column 1: '9234567890' is not"),
    ("1,2\r\n", r"row 1, column 2: '2\r' is not"),
    ("1,2\n3,4\n5,6,7\n", "row 3 has 3 fields, expected 2"),
    ("1,2\n3\n", "row 2 has 1 field, expected 2"),
    ("1,2\n\n3,4\n", "row 2 has 1 field, expected 2"),
    ("1,2\n3,4\n9,19\n", "row 3, column 1: '9' is not below 9"),
  ],
)
def test_wrong_integers_are_named(write, text, words):
  path = write(text)
  with pytest.raises(ValueError, match=re.escape(f"{path}: {words}")):
    csv_numbers.read_integers(path, 2, sizes=(9, 20))


@pytest.mark.parametrize(
  "text", ["active", "1.0.0", "x.0", "1,", ":", "--1", "inf", "1e99"]
)
def test_wrong_reals_are_named(write, text):
  path = write(f"0.0\n\n{text}\n0.0\n")
  with pytest.raises(ValueError, match=re.escape(f"{path}: row 3")):
    csv_numbers.read_reals(path, 1)


@pytest.mark.parametrize("rows", [2, 4])
def test_number_of_rows(write, rows):
  path = write("1\n2\n3\n")
  with pytest.raises(
    ValueError, match=f"{path}: 3 rows, expected {rows}, says x"
  ):
    csv_numbers.read_reals(path, 1, rows, ", says x")


def test_damaged_gzip_is_named(write):
  path = write("".join(f"{i}\n" for i in range(997)))
  whole = path.read_bytes()
  flipped = bytearray(whole)
  flipped[len(whole) // 2] ^= 255
  for data in (b"", whole[:5], whole[:-9], bytes(flipped), b"1\n2\n"):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{path}: "):
      csv_numbers.read_integers(path, 1)


def test_decimals_are_rounded_as_python_rounds_them(write):
  rng = np.random.default_rng(3)
  texts = [
    f"{sign}{int(rng.integers(0, 10 ** rng.integers(1, 12)))}{rest}"
    for sign in ("", "-", "+")
    for rest in (
      "",
      ".",
      ".5",
      ".0625",
      ".1234567",
      ".12345678901234567",
      "e-7",
    )
    for _ in range(29)
  ]
  texts += ["-.5", "+.25", "-0.0", "123456789012345", "1234567890123456.5"]
  found = csv_numbers.read_reals(write("\n".join(texts)), 1)[:, 0]
  expected = np.array([float(text) for text in texts], np.float32)
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("text", [".", "-", "-.", "+-1", "1-", "1.2.3", "1 2"])
def test_what_only_looks_like_a_decimal_is_refused(write, text):
  path = write(f"0.5\n{text}\n")
  with pytest.raises(ValueError, match=re.escape(f"{path}: row 2")):
    csv_numbers.read_reals(path, 1)


def test_blanks_and_signs_where_they_are_allowed(tmp_path):
  path = tmp_path / "table.txt"
  path.write_bytes(b" 1,\t-2 \r\n +3 ,  4\r\n-0,5")
  assert csv_numbers.count_columns(path) == 2
  found = csv_numbers.read_integers(path, 2, loose=True)
  np.testing.assert_array_equal(found, [[1, -2], [3, 4], [0, 5]])
  np.testing.assert_array_equal(
    csv_numbers.read_reals(path, 2, loose=True), found
  )
  for text in ("- 1,2", "1 1,2", "--1,2", "-,2", " ,2", "1.5,2"):
    path.write_text(f"{text}\n")
    with pytest.raises(ValueError, match=r"table.txt: row 1, column 1: '"):
      csv_numbers.read_integers(path, 2, loose=True)


@pytest.mark.parametrize(
  "grammar", ["_WHOLE", "_SIGNED", "_REAL", "_LOOSE_REAL"]
)
def test_what_arrow_reads_is_what_the_grammar_says(grammar):
  # Fields of all bytes that are left to Arrow: it may refuse more, no less.
  grammar = getattr(csv_numbers, grammar)
  loose = b" " in grammar.plain
  rng = np.random.default_rng(5)
  letters = np.frombuffer(grammar.plain.translate(None, b",\n"), np.uint8)
  letters = np.concatenate([letters, np.frombuffer(b"0123459" * 2, np.uint8)])
  read = 0
  for _ in range(2000):
    field = rng.choice(letters, rng.integers(0, 9)).tobytes()
    fast = csv_numbers._parse(field + b"\n", 1, grammar)
    if fast is None:
      continue
    args = ("x", field + b"\n", 1, 1, grammar, loose)
    np.testing.assert_array_equal(fast, csv_numbers._read_fields(*args))
    read += 1
  assert read > 100


@pytest.mark.parametrize("text", ["1_5", "100_1", "0x10", "1e", "\u0661"])
def test_no_other_spelling_is_a_number(write, text):
  path = write(f"1\n{text}\n")
  for read in (csv_numbers.read_integers, csv_numbers.read_reals):
    for loose in (False, True):
      with pytest.raises(ValueError, match=f"row 2, column 1: '{text}' is not"):
        read(path, 1, loose=loose)


def test_blank_lines_at_the_end_are_no_rows_where_that_is_allowed(tmp_path):
  path = tmp_path / "table.txt"
  path.write_bytes(b"1,2\r\n3,4\r\n \r\n\r\n\n  ")
  found = csv_numbers.read_integers(path, 2, loose=True)
  np.testing.assert_array_equal(found, [[1, 2], [3, 4]])
  path.write_text("1\n\n2\n\n")
  found = csv_numbers.read_reals(path, 1, loose=True)
  np.testing.assert_array_equal(found, [[1], [np.nan], [2]])
  path.write_text("\n \n")
  assert csv_numbers.read_integers(path, 1, loose=True).shape == (0, 1)


def test_an_endless_line_is_refused(write, monkeypatch):
  monkeypatch.setattr(csv_numbers, "_MAX_LINE", 1 << 20)
  path = write("1\n" + "," * (2 << 20))
  with pytest.raises(ValueError, match="row 2 is longer than 1 MB"):
    csv_numbers.read_integers(path, 1)
  path = write("1\n" + "7" * 200 + "\n")
  with pytest.raises(ValueError, match=r"7\.\.\.' \(200 characters\) is not"):
    csv_numbers.read_integers(path, 1)


def test_a_member_of_a_zip(tmp_path):
  with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
    archive.writestr("b/c.txt", "1,2\n3,x\n")
  path = zipfile.Path(tmp_path / "a.zip", "b/") / "c.txt"
  with pytest.raises(
    ValueError, match=r"a\.zip/b/c\.txt: row 2, column 2: 'x'"
  ):
    csv_numbers.read_integers(path, 2)


def test_a_first_line_of_commas(tmp_path):
  path = tmp_path / "a.csv"
  path.write_bytes(b"," * 100_000 + b"\n")
  with pytest.raises(ValueError, match="row 1 has 100,001 fields, more than"):
    csv_numbers.count_columns(path)


def test_more_rows_than_the_memory_holds(tmp_path):
  path = tmp_path / "a.csv"
  path.write_text("1,2\n")
  with pytest.raises(ValueError, match=r"a.csv: 1,000,.* expected, as in b"):
    csv_numbers.read_integers(path, 2, 10**18, ", as in b")
