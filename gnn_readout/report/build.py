"""The reports by name: from the records of a folder to what stands beside."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable

from gnn_readout import files
from gnn_readout.errors import suggest
from gnn_readout.records import NoRecordsError
from gnn_readout.report import blocks as sections
from gnn_readout.report import page
from gnn_readout.report.blocks import Section
from gnn_readout.report.figures import inner_loop as plots
from gnn_readout.report.results import molecules as tables
from gnn_readout.report.sections import (
  ablations,
  polygons,
  runs,
  table2,
  tasks,
  tu,
)

# In the order of the page.
SECTIONS: dict[str, Callable[[str | os.PathLike[str]], Section]] = {
  "table2": table2.section,
  "ablations": ablations.section,
  "tu": tu.section,
  **{
    name: functools.partial(tasks.section, task=name) for name in tasks.REPORTS
  },
  polygons.NAME: polygons.section,
  runs.NAME: runs.section,
}


def write(results_dir: str | os.PathLike[str], name: str) -> Section:
  """Makes and writes one section.

  Args:
    results_dir: The folder that holds `records`.
    name: A key of `SECTIONS`.

  Raises:
    ValueError: If the name is unknown, there is no record for it, or a record
      is damaged.
  """
  if name not in SECTIONS:
    raise ValueError(f"unknown report {name!r}.{suggest(name, SECTIONS)}")
  section = SECTIONS[name](results_dir)
  _write(results_dir, section)
  return section


def write_all(
  results_dir: str | os.PathLike[str], say: Callable[[str], None] = print
) -> None:
  """Makes all that there are records of: sections, figures, tables, the page.

  Nothing is written if a record is damaged.

  Args:
    results_dir: The folder that holds `records`.
    say: Takes a line for each section.

  Raises:
    ValueError: If there is no record at all, or a damaged one.
  """
  made, missing = {}, {}
  for name, make in SECTIONS.items():
    try:
      made[name] = make(results_dir)
      say(f"{name}: {made[name].title}")
    except NoRecordsError as error:
      missing[name] = error
      say(f"{name}: {error}")
  if not made:
    raise missing[runs.NAME]
  for section in made.values():
    _write(results_dir, section)
  for name, error in missing.items():
    _write_missing(results_dir, name, error)
  records = tables.read_records(results_dir)
  if records:
    plots.write_figures(results_dir, records)
  text = page.html_page(list(made.values()))
  path = pathlib.Path(results_dir, "report.html")
  files.atomic_write_text(path, text)
  say(f"page: {path}")


def _write(results_dir: str | os.PathLike[str], section: Section) -> None:
  """Writes a section where it belongs."""
  if section.name != runs.NAME:
    sections.write(results_dir, section)
    return
  sections.write_files(results_dir, section)
  text = f"# {section.title}\n\n{sections.markdown(section)}\n"
  files.atomic_write_text(pathlib.Path(results_dir, "runs.md"), text)


def _write_missing(
  results_dir: str | os.PathLike[str], name: str, error: NoRecordsError
) -> None:
  """Takes a section out of README.md that has no records any more."""
  path = pathlib.Path(results_dir, "README.md")
  if path.exists() and f"<!-- {name}:begin -->" in path.read_text():
    text = f"No record yet: `{error.command}`"
    sections.write(results_dir, Section(name, name, [text]))
