"""A section as a terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gnn_readout.report import markup
from gnn_readout.report.blocks import Section, Table

_HIDDEN = ("command", "note", "parameters", "train / valid / test")
_WIDTH = 240  # Where there is no terminal.
_GAP = 2  # Blanks between columns.


def show(section: Section) -> None:
  """Prints paragraphs and tables, without the columns that are too wide.

  No word of a table is cut: where a terminal is too narrow for the longest word
  of each column, a row is a list of titles and values.

  Args:
    section: What to print.
  """
  import rich.console

  console = rich.console.Console()
  console.width = console.width if console.is_terminal else _WIDTH
  for block in section.blocks:
    if isinstance(block, str):
      console.print(_plain(block), markup=False, highlight=False)
    elif isinstance(block, Table) and block.rows:
      console.print()
      console.print(block.caption, markup=False, highlight=False)
      rows = [
        {title: row[title] for title in row if title not in _HIDDEN}
        for row in block.rows
      ]
      least = sum(_longest_word(title, rows) for title in rows[0])
      fits = least + _GAP * len(rows[0]) <= console.width
      for table in [_table(rows)] if fits else map(_list, rows):
        console.print(table)
      console.print()


def _table(rows: Sequence[Mapping[str, str]]) -> Any:
  """Returns all rows below the titles; numbers are set to the right."""
  table = _empty()
  numeric = markup.numeric(rows)
  for title in rows[0]:
    table.add_column(
      _text(title),
      min_width=_longest_word(title, rows),
      justify="right" if title in numeric else "left",
      vertical="top",
    )
  for row in rows:
    table.add_row(*map(_text, row.values()))
  return table


def _list(row: Mapping[str, str]) -> Any:
  """Returns a row as a list of what is in it, with a blank line below."""
  table = _empty(show_header=False)
  for title, cell in row.items():
    if cell:
      table.add_row(_text(title), _text(cell))
  table.add_row()
  return table


def _empty(**arguments: Any) -> Any:
  import rich.table

  return rich.table.Table(
    box=None, padding=(0, _GAP, 0, 0), pad_edge=True, **arguments
  )


def _text(text: str) -> Any:
  """A text as it is: brackets in it are no markup."""
  import rich.text

  return rich.text.Text(text)


def _longest_word(title: str, rows: Sequence[Mapping[str, str]]) -> int:
  words = [title, *(row[title] for row in rows)]
  return max(len(word) for text in words for word in text.split() or [""])


def _plain(text: str) -> str:
  """Returns a paragraph without the marks of links and of what is bold."""
  return markup.converted(text, _words, lambda found: found[0])


def _words(text: str) -> str:
  return markup.LINK.sub(
    lambda link: link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})",
    markup.BOLD.sub(r"\1", text),
  )
