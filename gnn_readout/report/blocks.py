"""A section of the results: paragraphs, tables, figures, and the files of them.

The same section is written as Markdown and as HTML.
"""

from __future__ import annotations

import html
import os
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gnn_readout import files, paths
from gnn_readout.report import markup

_README = "README.md"


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
    name: Name of the files.
    caption: What it shows.
    data: The files, by name extension.
  """

  name: str
  caption: str
  data: Mapping[str, bytes]


class Pair(NamedTuple):
  """Two figures side by side."""

  left: Figure
  right: Figure


class File(NamedTuple):
  """What a spreadsheet reads, in a file beside the page."""

  name: str
  text: str


# A string is a paragraph, in which `this` is code and **this** is bold.
Block = str | Table | Figure | Pair | File


class Section(NamedTuple):
  """What is made of some of the records.

  Attributes:
    name: Name of the section, a key of `SECTIONS`.
    title: Its heading.
    blocks: What to read, in order.
    file: Markdown file that holds it; README.md holds several.
  """

  name: str
  title: str
  blocks: Sequence[Block]
  file: str = _README


def markdown(section: Section) -> str:
  """Returns a section as Markdown, without its title."""
  blocks = (b for b in section.blocks if not isinstance(b, File))
  return "\n\n".join(_markdown(block) for block in blocks)


def write(results_dir: str | os.PathLike[str], section: Section) -> None:
  """Writes a section into its Markdown file, and its figures and other files.

  Args:
    results_dir: The folder of the results.
    section: What to write.
  """
  results_dir = pathlib.Path(results_dir)
  for block in section.blocks:
    if isinstance(block, File):
      name = paths.check_part(block.name, "the file of a section")
      files.atomic_write_text(results_dir / name, block.text)
    for figure in _figures(block):
      for extension, data in figure.data.items():
        name = paths.check_part(figure.name, "the name of a figure")
        path = results_dir / "figures" / f"{name}.{extension}"
        files.atomic_write_bytes(path, data)
  path, text = results_dir / section.file, markdown(section)
  if section.file == _README:
    markup.write_section(path, section.name, text, section.title)
  else:
    files.atomic_write_text(path, f"# {section.title}\n\n{text}\n")


def write_missing(
  results_dir: str | os.PathLike[str], name: str, command: str
) -> None:
  """Takes a section out of README.md that has no records any more.

  Args:
    results_dir: The folder of the results.
    name: Name of the section.
    command: What makes its records.
  """
  path = pathlib.Path(results_dir, _README)
  if path.exists() and f"<!-- {name}:begin -->" in files.read_text(path):
    markup.write_section(
      path, name, f"There is no record yet; this command makes one: `{command}`"
    )


def _figures(block: Block) -> Iterator[Figure]:
  if isinstance(block, Figure):
    yield block
  elif isinstance(block, Pair):
    yield from block


def _markdown(block: str | Table | Figure | Pair) -> str:
  if isinstance(block, str):
    return markup.escaped(block)
  if isinstance(block, Table):
    caption = markup.escaped(block.caption)
    return f"**{caption}**\n\n{markup.markdown_table(block.rows)}"
  if isinstance(block, Pair):
    pictures = "\n".join(_picture(figure, "49%") for figure in block)
    left, right = (html.escape(figure.caption) for figure in block)
    return f"{pictures}\n\n*Left, {left}. Right, {right}.*"
  return f"{_picture(block, '60%')}\n\n*{html.escape(block.caption)}.*"


def _picture(figure: Figure, width: str) -> str:
  image = urllib.parse.quote(f"figures/{figure.name}")
  text = html.escape(figure.caption)
  picture = f'<img src="{image}.png" width="{width}" alt="{text}">'
  return f'<a href="{image}.svg">{picture}</a>'
