"""What is wrong becomes one line, and a short one."""

from __future__ import annotations

import pytest

from gnn_readout import errors
from gnn_readout.cli import main

_LONG = "abc " * 4_000


@pytest.mark.parametrize(
  "error",
  [
    ValueError(f"config {_LONG!r} is unknown. Known: a, b."),
    ValueError(f"first\n{_LONG}\nKnown: a, b."),
    OSError(f"{_LONG} Known: a, b."),
  ],
)
def test_a_message_is_one_short_line(error, capsys):
  assert main._report(error) == 1
  text = capsys.readouterr().err
  assert text.startswith("error: ") and text.endswith("Known: a, b.\n")
  assert text.count("\n") == 1 and len(text) < 1600


def test_an_error_of_the_system_names_its_file(capsys):
  main._report(OSError(28, "No space left on device", "a/file"))
  assert capsys.readouterr().err == "error: a/file: No space left on device\n"


@pytest.mark.parametrize(
  "value", ["x" * 20_000, list(range(9_999)), {"a\n": 1}]
)
def test_quotations_are_short(value):
  text = errors.quoted_value(value)
  assert len(text) < 100 and "\n" not in text


def test_suggestions_are_short():
  names = [f"column_{i}" for i in range(5_000)]
  text = errors.suggest("column_777" + "x" * 15_000, names)
  assert len(text) < 1000 and "(5,000 in all)" in text
  assert "Did you mean 'column_777'?" in errors.suggest("colunm_777", names)
  assert errors.suggest("z", ["a", "b c"]) == " Known: a, b c."


def test_both_ends_of_a_long_text():
  assert errors.brief("a\n b ", 10) == "a b"
  short = errors.brief("x" * 90 + "y" * 90, 25)
  assert short == "x" * 10 + " ... " + "y" * 10
