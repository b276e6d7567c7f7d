"""results/report.html: all sections as one page that needs no network.

Tables sort by a click on a header, figures say the value under the pointer,
light and dark follow the reader's system.
"""

from __future__ import annotations

import html
import pathlib
import re
from collections.abc import Mapping, Sequence

from gnn_readout import files
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Pair, Section, Table
from gnn_readout.report.figures import palette, svg

_HERE = pathlib.Path(__file__).parent
_TITLE = "gnn_readout: results"
_SCORE = r"[+-]?[\d.]+ ± [\d.]+"
_LONG = 36  # Characters of a cell that has room of its own.
# What is too long for a column stands below its row, across the table.
_BELOW = ("train / valid / test", "note", "command")


def html_page(sections: Sequence[Section]) -> str:
  """Returns the page, the same bytes for the same sections.

  Args:
    sections: Sections in the order of the page.
  """
  style = files.read_text(_HERE / "page.css")
  script = files.read_text(_HERE / "page.js")
  links = [
    f'<li><a href="#{s.name}">{_text(s.title)}</a></li>' for s in sections
  ]
  body = "\n".join(_section(section) for section in sections)
  return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_TITLE}</title>
<style>
{palette.css()}{style}</style>
</head>
<body>
<header>
<h1>{_TITLE}</h1>
<p>Made from the run records by <code>python -m launch.report all</code>. A
click on the header of a column sorts by it; figures show their values under
the pointer.</p>
<nav aria-label="Sections"><ul>
{"".join(links)}
</ul></nav>
</header>
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def _section(section: Section) -> str:
  blocks = "\n".join(
    _block(block, f"{section.name}-{number}")
    for number, block in enumerate(section.blocks)
  )
  return (
    f'<section aria-labelledby="{section.name}">\n'
    f'<h2 id="{section.name}">{_text(section.title)}</h2>\n{blocks}\n</section>'
  )


def _block(block: Block, name: str) -> str:
  if isinstance(block, str):
    return f"<p>{_text(block)}</p>"
  if isinstance(block, Figure):
    picture = svg.inline(block.data["svg"], name, block.caption)
    caption = f"<figcaption>{_text(block.caption)}</figcaption>"
    return f"<figure>\n{picture}\n{caption}\n</figure>"
  if isinstance(block, Pair):
    sides = zip(block, ("left", "right"), strict=True)
    figures = (_block(figure, f"{name}-{side}") for figure, side in sides)
    return '<div class="pair">\n' + "\n".join(figures) + "\n</div>"
  return _table(block, name) if isinstance(block, Table) else ""


def _table(table: Table, name: str) -> str:
  if not table.rows:
    return ""
  titles = [title for title in table.rows[0] if title not in _BELOW]
  numeric = markup.numeric(table.rows)
  head = "".join(
    f'<th scope="col"{_class("number" * (title in numeric))}>'
    f"{_text(title)}</th>"
    for title in titles
  )
  lines = [
    _row(row, titles, numeric) + _below(row, len(titles)) for row in table.rows
  ]
  # What is wider than the window scrolls by itself, with the keyboard too.
  region = f'role="region" tabindex="0" aria-labelledby="{name}"'
  return (
    f'<div class="scroll" {region}>\n'
    f'<table>\n<caption id="{name}">{_text(table.caption)}</caption>\n'
    f"<thead><tr>{head}</tr></thead>\n<tbody>\n"
    + "\n".join(lines)
    + "\n</tbody>\n</table>\n</div>"
  )


def _row(
  row: Mapping[str, str], titles: Sequence[str], numeric: set[str]
) -> str:
  line = ""
  for title in titles:
    cell = row[title]
    text = _text(cell)
    # Where the window is narrow a row is a list, and says the titles itself.
    label = f' data-title="{html.escape(title)}"' if title else ""
    if not line:
      line = f'<th scope="row"{label}>{text}</th>'
    else:
      kind = "number" if title in numeric else _kind(cell)
      line += f"<td{_class(kind)}{label}>{text}</td>"
  return f"<tr>{line}</tr>"


def _below(row: Mapping[str, str], columns: int) -> str:
  """Returns the row below a row, with what has no column; '' for nothing."""
  parts = []
  for title in _BELOW:
    if cell := row.get(title):
      # A command is as it is: it is for a shell.
      text = _code(cell) if title == "command" else _text(cell)
      parts.append(f'<p data-title="{title}">{text}</p>')
  if not parts:
    return ""
  cells = f'<td colspan="{columns}">{"".join(parts)}</td>'
  return f'\n<tr class="below">{cells}</tr>'


def _kind(cell: str) -> str:
  """Returns the class of a cell that is no number."""
  if re.fullmatch(_SCORE, cell):
    return "score"
  return "long" * (len(cell) > _LONG)


def _class(kind: str) -> str:
  return f' class="{kind}"' if kind else ""


def _escape(text: str) -> str:
  return html.escape(text, quote=False)


def _code(text: str) -> str:
  """A command breaks between its options, not behind the dashes of one."""
  options = re.sub(r"(?<!\S)'?-\S+", r"<span>\g<0></span>", _escape(text))
  return f"<code>{options}</code>"


def _text(text: str) -> str:
  """The little Markdown of sections: `code`, **bold** and [links](to)."""
  return markup.converted(text, _words, _code_in)


def _code_in(found: re.Match) -> str:
  code = found[2]
  if code.startswith(" ") and code.endswith(" "):  # Beside a backtick.
    code = code[1:-1]
  return _code(code)  # As it is: it is for a shell.


def _words(text: str) -> str:
  text = markup.BOLD.sub(r"<strong>\1</strong>", _escape(text))
  return markup.LINK.sub(r'<a href="\2">\1</a>', text)
