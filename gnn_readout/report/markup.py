"""How numbers and tables are written down, in Markdown and CSV."""

from __future__ import annotations

import csv
import io
import os
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gnn_readout import files


def mean_deviation(values: Iterable[float]) -> tuple[float, float | None]:
  """Returns mean and sample deviation, None for a single value; 6 digits."""
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


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
  """Returns rows with the same keys as Markdown, the keys as titles."""
  if not rows:
    return ""
  lines = [list(rows[0]), ["---"] * len(rows[0])]
  lines += [
    [" ".join(cell.split()).replace("|", "\\|") for cell in row.values()]
    for row in rows
  ]
  return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
  """Returns rows with the same keys as CSV, the keys as titles."""
  text = io.StringIO()
  titles = list(rows[0]) if rows else []
  writer = csv.DictWriter(text, titles, lineterminator="\n")
  writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


def write_section(
  path: str | os.PathLike[str], name: str, body: str, title: str = ""
) -> None:
  """Rewrites the generated section of a Markdown file, and nothing else in it.

  The section lies between `<!-- name:begin -->` and `<!-- name:end -->`. A file
  with neither gets them at its end, a file that is not there is made.

  Args:
    path: The Markdown file.
    name: The section's name.
    body: What goes between the comments.
    title: The heading above a section that was not there.

  Raises:
    ValueError: If the comments are not one pair, begin before end.
  """
  path = pathlib.Path(path)
  text = path.read_text() if path.exists() else "# Results\n"
  begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
  if begin not in text and end not in text:
    heading = f"## {title}\n\n" if title else ""
    text = f"{text.rstrip()}\n\n{heading}{begin}\n{end}\n"
  before, _, rest = text.partition(begin)
  _, found_end, after = rest.partition(end)
  if not found_end or begin in rest or end in before + after:
    raise ValueError(f"{path}: needs {begin} once and after it {end} once")
  files.atomic_write_text(path, f"{before}{begin}\n{body}\n{end}{after}")
