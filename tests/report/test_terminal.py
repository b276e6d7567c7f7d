"""A section in a terminal: nothing is cut, and columns are aligned."""

from __future__ import annotations

import pytest

from gnn_readout.report import terminal
from gnn_readout.report.blocks import Section, Table

ROWS = [
  {"dataset": "ogbg-moltox21", "readout": "set_transformer", "seeds": "13",
   "test": "0.7038 ± 0.0013", "command": "python -m launch.train"},
  {"dataset": "a [b]", "readout": "sum", "seeds": "7", "test": "",
   "command": ""},
]  # fmt: skip


@pytest.fixture
def shown(monkeypatch, capsys):
  def show(width, *blocks):
    monkeypatch.setattr(terminal, "_WIDTH", width)
    terminal.show(Section("one", "One", blocks))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

  return show


def test_columns_are_aligned_and_numbers_set_to_the_right(shown):
  assert shown(80, Table("Scores [1]", ROWS)) == [
    "",
    "Scores [1]",
    "dataset        readout          seeds  test",
    "ogbg-moltox21  set_transformer     13  0.7038 ± 0.0013",
    "a [b]          sum                  7",
    "",
  ]


@pytest.mark.parametrize("width", range(30, 61, 3))
def test_no_word_is_cut_and_no_line_too_long(shown, width):
  lines = shown(width, Table("Scores", ROWS))
  words = " ".join(lines).split()
  for row in ROWS:
    for title, cell in row.items():
      if title != "command":
        assert all(word in words for word in f"{title} {cell}".split())
  assert all(len(line) <= width for line in lines)


def test_a_narrow_terminal_has_a_list_of_each_row(shown):
  assert shown(40, Table("Scores", ROWS)) == [
    "",
    "Scores",
    "dataset  ogbg-moltox21",
    "readout  set_transformer",
    "seeds    13",
    "test     0.7038 ± 0.0013",
    "",
    "dataset  a [b]",
    "readout  sum",
    "seeds    7",
    "",
    "",
  ]


def test_marks_of_markdown_are_left_out(shown):
  text = "See [runs.md](runs.md), [a [b](c.md) and **bold** `[x](y) **z**`."
  assert shown(80, text) == [
    "See runs.md, a [b (c.md) and bold `[x](y) **z**`."
  ]
