"""A section as a terminal shows it."""

from __future__ import annotations

from gnn_readout.report.blocks import Section, Table

_HIDDEN = ("command", "note", "parameters", "train / valid / test")
_WIDTH = 240  # Where there is no terminal.


def show(section: Section) -> None:
  """Prints paragraphs and tables, without the columns that are too wide.

  Args:
    section: What to print.
  """
  import rich.console
  import rich.table
  import rich.text

  console = rich.console.Console()
  console.width = console.width if console.is_terminal else _WIDTH
  for block in section.blocks:
    if isinstance(block, str):
      console.print(block, markup=False, highlight=False)
    elif isinstance(block, Table) and block.rows:
      titles = [title for title in block.rows[0] if title not in _HIDDEN]
      heads = [rich.table.Column(rich.text.Text(title)) for title in titles]
      caption = rich.text.Text(block.caption)
      table = rich.table.Table(*heads, box=None, title=caption)
      for row in block.rows:  # As it is: brackets in it are no markup.
        table.add_row(*(rich.text.Text(row[title]) for title in titles))
      console.print(table)
