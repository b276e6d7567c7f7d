"""One page for each readout, made from its class and from the records."""

from __future__ import annotations

import functools
import hashlib
import html
import inspect
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from documentation import formulas, toy
from gnn_readout import records
from gnn_readout.files import atomic_write_text
from gnn_readout.readouts import Readout, listing, readout_class
from gnn_readout.report.sections import readouts

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = "readouts"
API = "api/readouts.md"
_ARGUMENT = re.compile(r"^  (\w+): (.*(?:\n    +.*)*)", re.M)


def pages(
  draw: Callable[[str], str] | None = None,
) -> dict[str, str]:
  """Returns the Markdown of the overview and of all readouts, by file.

  Args:
    draw: From the name of a readout to its figure; None for `figure`.
  """
  measured = costs()
  texts = {f"{FOLDER}/index.md": overview()}
  for names in listing.families().values():
    for name in names:
      text = page(name, measured, (draw or figure)(name))
      texts[f"{FOLDER}/{name}.md"] = text
  return texts


def api() -> str:
  """Returns the page of the API: the modules, from which it is made.

  mkdocstrings puts the docstrings in the place of each line that names one.
  """
  names = [name for names in listing.families().values() for name in names]
  modules = sorted({readout_class(name).__module__ for name in names})
  package = Readout.__module__.rpartition(".")[0]
  modules = [package, f"{package}.base", f"{package}.order", *modules]
  return "\n\n".join(["# Readouts", *(f"::: {m}" for m in modules), ""])


def navigation() -> list[Any]:
  """Returns the pages in the order of the families, as mkdocs has it."""
  rows: list[Any] = [f"{FOLDER}/index.md"]
  for family, names in listing.families().items():
    title = family[0].upper() + family[1:]
    rows.append({title: [{name: f"{FOLDER}/{name}.md"} for name in names]})
  return rows


def costs() -> dict[str, Any]:
  """Returns the newest record of the benchmark of all readouts, or {}."""
  folder = ROOT / "results" / "records"
  everything = records.read_folder(folder, "benchmark")
  return readouts.newest([*everything.values()]) or {}


def figure(name: str) -> str:
  """Returns what the readout does to a toy set, as an SVG.

  It is kept in `.cache/figures` until the code that it is made by changes.
  """
  file = ROOT / ".cache" / "figures" / f"{name}-{_version()}.svg"
  if not file.exists():
    label = f"How the first components of {name} follow one moving element"
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(file, toy.svg(toy.respond(name), label))
  return file.read_text(encoding="utf-8")


@functools.cache
def _version() -> str:
  """Returns a hash of all code that a figure may depend on."""
  package = ROOT / "gnn_readout"
  files = [
    pathlib.Path(toy.__file__),
    *package.glob("*.py"),
    *(package / "layers").glob("*.py"),
    *(package / "readouts").glob("*.py"),
  ]
  digest = hashlib.sha256()
  for file in sorted(files):
    digest.update(file.read_bytes())
  return digest.hexdigest()[:16]


def overview() -> str:
  """Returns the page that lists them all."""
  lines = [
    "# Readouts",
    "",
    "A readout maps the elements of each set to one vector. Each name below is"
    " the `READOUT` of a config, such as `configs/molpcba.py:gcn,attention`,"
    " and the name that `make_readout`, `functional.readout` and the modules"
    " for Flax and Equinox take. All keep one [contract](../concepts.md). The"
    " formulas, arguments and references on these pages come from the classes,"
    " and the costs from a record.",
  ]
  for family, names in listing.families().items():
    lines += ["", f"## {family[0].upper()}{family[1:]}", ""]
    lines += [f"{_FAMILIES[family]}", ""] if family in _FAMILIES else []
    lines += ["| readout | formula |", "| --- | --- |"]
    for name in names:
      formula = formulas.to_html(readout_class(name).formula())
      lines.append(
        f"| [`{name}`]({name}.md) | {formula.replace('|', '&#124;')} |"
      )
  return "\n".join([*lines, ""])


_FAMILIES = {
  "sequences": "These depend on the order of the elements;"
  " `gnn_readout.readouts.order.order_dependence` measures by how much.",
  "graphs": "These look at the edges among the elements as well.",
}


def page(name: str, measured: Mapping[str, Any], drawing: str) -> str:
  """Returns the page of a readout.

  Args:
    name: Of the readout.
    measured: From `costs`.
    drawing: From `figure`.
  """
  readout = readout_class(name)
  first, *others = inspect.getdoc(readout).split("\n\n")
  lines = [
    f"# {name}",
    "",
    f'<p class="formula">{formulas.to_html(first)}</p>',
    "",
    f"**Family:** {readout.family}."
    + (f" **Reduces to:** {readout.reduces_to}." if readout.reduces_to else ""),
    "",
    *_prose(others),
    "## What it does to a toy set",
    "",
    f"<figure>\n{drawing}\n<figcaption>{_caption(readout)}</figcaption>\n"
    "</figure>",
    "",
    *_use(name, readout),
    *_arguments(readout),
    *_cost(name, measured),
    "## Reference",
    "",
    _plain(readout.reference()),
    "",
    f"The class is [`{readout.__module__}.{readout.__name__}`](../{API}).",
    "",
  ]
  return "\n".join(lines)


def _prose(paragraphs: Sequence[str]) -> list[str]:
  """Returns the paragraphs of the docstring, without those of other places."""
  lines: list[str] = []
  for paragraph in paragraphs:
    if paragraph.startswith("Example:"):
      break
    if paragraph.startswith("Reference:"):
      continue
    is_formula = all(line.startswith("  ") for line in paragraph.splitlines())
    kind = ' class="formula"' if is_formula else ' class="docstring"'
    text = formulas.to_html(paragraph)
    if paragraph.startswith("Differs from"):
      head, colon, rest = text.partition(":")
      text = f"<strong>{head}{colon}</strong>{rest}" if colon else text
    lines += [f"<p{kind}>{text}</p>", ""]
  return lines


def _caption(readout: type[Readout]) -> str:
  words = (
    "Five elements, of which the orange one moves from left to right, and the"
    " first components of the result at each of its places. Arguments are the"
    " default ones, and parameters are as initialised from seed 0."
  )
  if readout.weighs:
    words += " The area of each element on the left is its weight in the set."
  return words


def _use(name: str, readout: type[Readout]) -> list[str]:
  document = inspect.getdoc(readout)
  example = inspect.cleandoc(document.partition("Example:\n")[2])
  return [
    "## Use it",
    "",
    "In a model of graphs, and in Haiku:",
    "",
    "```sh",
    f"python -m launch.train --config=configs/molpcba.py:gcn,{name}"
    " --workdir=DIR",
    "```",
    "",
    "```pycon",
    f">>> from {readout.__module__} import {readout.__name__}",
    example,
    "```",
    "",
    "[Without Haiku](../any-jax-library.md), as pure functions:",
    "",
    "```python",
    f'init, apply = gnn_readout.functional.readout("{name}")',
    "```",
    "",
  ]


def _arguments(readout: type[Readout]) -> list[str]:
  arguments = readout.arguments()
  if not arguments:
    return ["## Arguments", "", "It takes none but `output_size`.", ""]
  says = dict(_ARGUMENT.findall(inspect.getdoc(readout.__init__)))
  lines = [
    "## Arguments",
    "",
    "Each is also a field of a config, `--config.model.readout.ARGUMENT=VALUE`."
    " Besides, every readout takes `output_size`, the width of the result.",
    "",
    "| argument | type | default | meaning |",
    "| --- | --- | --- | --- |",
  ]
  for argument, (kind, default) in arguments.items():
    kind = kind.__name__ if isinstance(kind, type) else str(kind)
    kind = kind.replace("collections.abc.", "").replace("|", "&#124;")
    shown = "" if default is inspect.Parameter.empty else f"`{default!r}`"
    meaning = formulas.to_html(says.get(argument, ""))
    meaning = meaning.replace("|", "&#124;").replace("*", "&#42;")
    lines.append(f"| `{argument}` | {kind} | {shown} | {meaning} |")
  return [*lines, ""]


def _cost(name: str, measured: Mapping[str, Any]) -> list[str]:
  rows = {row["name"]: row for row in measured.get("rows", ())}
  lines = ["## Cost", ""]
  if name not in rows:
    return [
      *lines,
      "No record has its cost yet; `python -m launch.benchmark readout_card`"
      " measures it.",
      "",
    ]
  row, base = rows[name], rows["sum"]
  given, large = measured["given"], measured["large"]
  hardware = measured["hardware"]
  return [
    *lines,
    f"Measured on {given['graphs']} graphs of {given['dataset']},"
    f" {given['width']} wide, {given['dtype']}, on {hardware['cpu_count']}"
    f" cores ({hardware['device']}), with default arguments. Memory is what the"
    " gradient needs besides its arguments and results; the last column is the"
    f" same for {large['graphs']} graphs of"
    f" {large['dataset'].removeprefix('tu/')}, {large['width']} wide, with"
    f" {large['nodes']:,} nodes in all.",
    "",
    "| parameters | forward, relative to `sum` | gradient, relative to `sum`"
    " | memory, MiB | memory of large graphs, MiB |",
    "| --- | --- | --- | --- | --- |",
    f"| {row['parameters']:,} | {row['forward'] / base['forward']:.1f}"
    f" | {row['training'] / base['training']:.1f}"
    f" | {row['mebibytes']:.0f} | {row['large_mebibytes']:.0f} |",
    "",
  ]


def _plain(text: str) -> str:
  """Returns a text whose signs mean nothing in Markdown."""
  return re.sub(r"([*_\[\]<>`])", r"\\\1", html.unescape(text))
