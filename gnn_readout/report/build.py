"""Makes the tables, figures and pages of a folder from its records."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence

from gnn_readout import files, records
from gnn_readout.errors import suggest
from gnn_readout.records import NoRecordsError, Record
from gnn_readout.report import blocks, page
from gnn_readout.report.blocks import Section
from gnn_readout.report.sections import SECTIONS


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
    raise ValueError(
      f"unknown report {name!r}.{suggest(name, ['all', *SECTIONS])}"
    )
  section = _make(results_dir, name, _read(results_dir))
  blocks.write(results_dir, section)
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
  found = _read(results_dir)
  made, missing = [], {}
  for name in SECTIONS:
    try:
      made.append(_make(results_dir, name, found))
      say(f"{name}: {made[-1].title}")
    except NoRecordsError as error:
      missing[name] = error
      say(f"{name}: {error}")
  if not made:
    raise missing["runs"]
  for section in made:
    blocks.write(results_dir, section)
  for name, error in missing.items():
    blocks.write_missing(results_dir, name, error.command)
  path = pathlib.Path(results_dir, "report.html")
  files.atomic_write_text(path, page.html_page(made))
  say(f"page: {path}")


def _folder(results_dir: str | os.PathLike[str]) -> pathlib.Path:
  return pathlib.Path(results_dir, "records")


def _read(results_dir: str | os.PathLike[str]) -> list[Record]:
  return list(records.read_folder(_folder(results_dir)).values())


def _make(
  results_dir: str | os.PathLike[str], name: str, found: Sequence[Record]
) -> Section:
  row = SECTIONS[name]
  made = row.make(found)
  if not made:
    raise NoRecordsError(row.records, _folder(results_dir), row.command)
  return Section(name, row.title, made, row.file)
