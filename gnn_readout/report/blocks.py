"""A section of the results: paragraphs, tables, figures, and the files of them.

The same section is written as Markdown and as HTML.
"""

from __future__ import annotations

import html
import os
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gnn_readout import files
from gnn_readout.report import markup


class Table(NamedTuple):
  """A table.

  Attributes:
    caption: Stands above it.
    rows: All with the same keys, which are the titles of the columns.
  """

  caption: str
  rows: Sequence[Mapping[str, str]]


class Figure(NamedTuple):
  """A figure of which there are results_dir/figures/NAME.png and .svg.

  Attributes:
    name: Of the files.
    caption: What it shows.
    data: The files, by name extension.
  """

  name: str
  caption: str
  data: Mapping[str, bytes]


# A string is a paragraph, in which `this` is code.
Block = str | Table | Figure


class Section(NamedTuple):
  """What is made of some of the records.

  Attributes:
    name: Of the report that makes it.
    title: Its heading.
    blocks: What to read, in order.
    files: Other files, by their name: what a spreadsheet reads.
  """

  name: str
  title: str
  blocks: Sequence[Block]
  files: Mapping[str, str] = {}


def markdown(section: Section) -> str:
  """Returns a section as Markdown, without its title."""
  return "\n\n".join(_markdown(block) for block in section.blocks)


def write(results_dir: str | os.PathLike[str], section: Section) -> None:
  """Writes a section into README.md, and its figures and other files.

  Args:
    results_dir: The folder of the results.
    section: What to write.
  """
  write_files(results_dir, section)
  path = pathlib.Path(results_dir, "README.md")
  markup.write_section(path, section.name, markdown(section), section.title)


def write_files(results_dir: str | os.PathLike[str], section: Section) -> None:
  """Writes the figures and the other files of a section.

  Args:
    results_dir: The folder of the results.
    section: What to write.
  """
  results_dir = pathlib.Path(results_dir)
  for name, text in section.files.items():
    files.atomic_write_text(results_dir / name, text)
  for figure in section.blocks:
    if isinstance(figure, Figure):
      for extension, data in figure.data.items():
        path = results_dir / "figures" / f"{figure.name}.{extension}"
        files.atomic_write_bytes(path, data)


def _markdown(block: Block) -> str:
  if isinstance(block, str):
    return block
  if isinstance(block, Table):
    return f"**{block.caption}**\n\n{markup.markdown_table(block.rows)}"
  image = urllib.parse.quote(f"figures/{block.name}")
  text = html.escape(block.caption)
  picture = f'<img src="{image}.png" width="60%" alt="{text}">'
  return f'<a href="{image}.svg">{picture}</a>'
