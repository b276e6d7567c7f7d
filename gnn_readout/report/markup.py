"""How numbers and tables are written down, in Markdown and CSV.

What comes from records may hold anything; none of it becomes HTML, a formula
of a spreadsheet, or a comment between which sections stand.
"""

from __future__ import annotations

import csv
import io
import os
import pathlib
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gnn_readout import files
from gnn_readout.wording import no_formula

# What is code in Markdown: between two runs of as many backticks.
CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)

# What is **bold** there, and a [link](to) into this folder.
BOLD = re.compile(r"\*\*([^*]+)\*\*")
LINK = re.compile(r"\[([^]]+)\]\(([\w./#-]+)\)")

# What begins a tag, a comment or a character's name in HTML, and a link or an
# image that leads elsewhere than into this folder.
_HTML = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_FOREIGN = re.compile(r"\](?=\((?![\w./#-]*\)))")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}

_SET_TO_THE_RIGHT = re.compile(r"[+-]?[\d,.]*")


def mean_deviation(values: Iterable[float]) -> tuple[float, float | None]:
  """Returns mean and sample standard deviation (None for one), to 6 digits."""
  values = list(values)
  deviation = round(statistics.stdev(values), 6) if len(values) > 1 else None
  return round(statistics.fmean(values), 6), deviation


def plus_minus(
  value: float | None, deviation: float | None, digits: int = 4
) -> str:
  """Returns such as '0.7550 ± 0.0071'; '' where there is no value."""
  if value is None:
    return ""
  text = f"{value:.{digits}f}"
  return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


def optional(value: float | None) -> str:
  """Returns a number as short as it is, '' for none."""
  return "" if value is None else f"{value:g}"


def numeric(rows: Sequence[Mapping[str, str]]) -> set[str]:
  """Returns the titles of the columns of numbers alone, set to the right.

  Args:
    rows: All with the same keys; a cell may be empty.
  """
  return {
    title
    for title in rows[0]
    if all(_SET_TO_THE_RIGHT.fullmatch(row[title]) for row in rows)
  }


def converted(
  text: str, words: Callable[[str], str], code: Callable[[re.Match], str]
) -> str:
  """Returns Markdown with everything in it converted.

  Args:
    text: A paragraph or a cell.
    words: Converts what is between pieces of code.
    code: Converts a match of `CODE`.
  """
  parts, end = [], 0
  for found in CODE.finditer(text):
    parts += [words(text[end : found.start()]), code(found)]
    end = found.end()
  return "".join([*parts, words(text[end:])])


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
  """Returns rows with the same keys as Markdown, the keys as titles."""
  if not rows:
    return ""
  lines = [[_cell(title) for title in rows[0]], ["---"] * len(rows[0])]
  lines += [[_cell(text) for text in row.values()] for row in rows]
  return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
  """Returns rows with the same keys as CSV, the keys as titles.

  A text that a spreadsheet would take for a formula begins with an apostrophe.
  """
  text = io.StringIO()
  titles = list(rows[0]) if rows else []
  writer = csv.DictWriter(text, titles, lineterminator="\n")
  writer.writerow({title: no_formula(title) for title in titles})
  writer.writerows(
    {title: _no_formula(cell) for title, cell in row.items()} for row in rows
  )
  return text.getvalue()


def write_section(
  path: str | os.PathLike[str], name: str, body: str, title: str = ""
) -> None:
  """Rewrites the generated section of a Markdown file, and nothing else in it.

  The section lies between `<!-- name:begin -->` and `<!-- name:end -->`, each a
  line of its own. A file with neither gets them at its end, a file that is not
  there is made.

  Args:
    path: The Markdown file.
    name: The section's name.
    body: What goes between the comments.
    title: The heading above a section that was not there.

  Raises:
    ValueError: If the comments are not one pair, begin before end.
  """
  path = pathlib.Path(path)
  text = files.read_text(path) if path.exists() else "# Results\n"
  begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
  if not _starting_with((begin, end), text):
    heading = f"## {title}\n\n" if title else ""
    text = f"{text.rstrip()}\n\n{heading}{begin}\n{end}\n"
  if _starting_with((begin, end), text) != [begin, end]:
    raise ValueError(
      f"{path}: needs {begin} once and after it {end} once, on lines of their"
      " own"
    )
  if _starting_with((begin, end), body):
    raise ValueError(f"{path}: the text of section {name!r} holds its own end")
  lines = text.split("\n")
  new = [*lines[: lines.index(begin) + 1], body, *lines[lines.index(end) :]]
  files.atomic_write_text(path, "\n".join(new))


def code(text: str) -> str:
  """Returns a text as code in Markdown, whatever backticks are in it."""
  runs = re.findall("`+", text)
  ticks = "`" * next(n for n in range(1, len(runs) + 2) if "`" * n not in runs)
  space = " " if text.startswith("`") or text.endswith("`") else ""
  return f"{ticks}{space}{text}{space}{ticks}"


def escaped(text: str) -> str:
  """Returns Markdown in which nothing is HTML, and no link leads elsewhere.

  Args:
    text: A paragraph or a cell. What is code in it stays as it is.
  """
  parts, end = [], 0
  for found in CODE.finditer(text):
    # On one line, or what is in it may look like the end of a section.
    inside = " ".join(found[0].split("\n"))
    parts += [_escaped(text[end : found.start()]), inside]
    end = found.end()
  return "".join([*parts, _escaped(text[end:])])


def _starting_with(marks: tuple[str, ...], text: str) -> list[str]:
  return [line for line in text.split("\n") if line.startswith(marks)]


def _cell(text: str) -> str:
  return escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
  text = _HTML.sub(lambda found: _ENTITIES[found[0]], text)
  return _FOREIGN.sub(r"]\\", text)


def _no_formula(cell: Any) -> Any:
  return no_formula(cell) if isinstance(cell, str) else cell
