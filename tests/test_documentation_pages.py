"""README.md and docs/: links resolve, commands parse, blocks of Python run."""

from __future__ import annotations

import functools
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from documentation import readout_pages
from gnn_readout import config_fields
from gnn_readout.cli.config import read_config_file
from gnn_readout.readouts import listing
from gnn_readout.runs import settings

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
# What a build adds to docs/; see documentation/hooks.py.
COPIED = {
  "contributing.md": "CONTRIBUTING.md",
  "changelog.md": "CHANGELOG.md",
  "speed-figures.md": "results/speed.md",
}
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")


def name_of(path: pathlib.Path) -> str:
  return str(path.relative_to(ROOT))


def blocks(path: pathlib.Path, languages: tuple[str, ...]) -> list[str]:
  text = path.read_text(encoding="utf-8")
  return [body for kind, body in _BLOCK.findall(text) if kind in languages]


def prose(path: pathlib.Path) -> str:
  text = _BLOCK.sub("", path.read_text(encoding="utf-8"))
  return re.sub(r"`[^`\n]*`", "", text)


def anchors(text: str) -> set[str]:
  """Returns the anchors of the headings, as mkdocs and GitHub make them."""
  found = set()
  for heading in re.findall(r"^#+ (.*)$", _BLOCK.sub("", text), re.M):
    words = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    found.add(re.sub(r"[\s]+", "-", words))
  return found


def broken(path: pathlib.Path) -> Iterator[str]:
  """Yields the links of a page that lead nowhere."""
  docs = ROOT / "docs"
  for link in _LINK.findall(prose(path)):
    if link.startswith(("http://", "https://")):
      continue
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    inside = target.relative_to(docs) if docs in target.parents else None
    if inside and str(inside) in COPIED:
      target = ROOT / COPIED[str(inside)]
    elif inside and str(inside) == readout_pages.API and not anchor:
      continue
    elif inside and inside.parts[0] == "readouts":
      known = {n for names in listing.families().values() for n in names}
      if target.stem not in known | {"index"} or anchor:
        yield link
      continue
    if not target.exists() or (
      anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
    ):
      yield link


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_resolve(path):
  assert not list(broken(path))


def test_a_link_to_nowhere_is_found(tmp_path):
  page = tmp_path / "page.md"
  page.write_text("# One\n[a](#one) [b](#two) [c](none.md) `[d](e)` [f](.)\n")
  assert list(broken(page)) == ["#two", "none.md"]


def test_readme_is_two_screens():
  assert len(README.read_text().splitlines()) <= 110


@pytest.mark.parametrize(
  "path",
  [README, ROOT / "docs" / "index.md", ROOT / "docs" / "concepts.md"],
  ids=name_of,
)
def test_python_runs(path):
  found = blocks(path, ("python",))
  assert found
  for body in found:
    exec(compile(body, path.name, "exec"), {})


def commands(path: pathlib.Path) -> list[str]:
  """Returns what a page says to type, one line each."""
  lines = []
  for body in blocks(path, ("", "sh", "console")):
    for line in body.replace("\\\n", " ").splitlines():
      line = line.removeprefix("$ ").partition("  #")[0].strip()
      if line.startswith(("python -m launch.", "gnn-readout ")):
        lines.append(line)
  return lines


ALL = [(path, line) for path in PAGES for line in commands(path)]


@functools.cache
def flags_of(program: str) -> set[str]:
  """Returns the flags that a program's help names."""
  command = [sys.executable, "-m", f"launch.{program}", "--helpfull"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  found = set()
  for no, name in re.findall(r"^\s*--(\[no\])?([\w.]+)", done.stdout, re.M):
    found |= {name, f"no{name}"} if no else {name}
  return found


def check(command: str) -> None:
  """Raises unless program, flags, config, variant and fields are there."""
  words = shlex.split(command)
  program, *rest = words[1:] if words[0] == "gnn-readout" else words[2:]
  program = program.removeprefix("launch.")
  assert (ROOT / "launch" / f"{program}.py").is_file(), program
  config, fields = None, {}
  for word in rest:
    if not word.startswith("--"):
      continue
    flag, _, value = word.removeprefix("--").partition("=")
    if flag.startswith("config."):
      fields[flag.removeprefix("config.")] = value
      continue
    assert flag in flags_of(program), f"--{flag}"
    if flag == "config" and value != "...":  # As in 'devices --config=...'.
      file, _, variant = value.partition(":")
      config = read_config_file(file)["get_config"](*filter(None, [variant]))
    if flag == "sweep":
      file, _, sweep = value.partition(":")
      assert callable(read_config_file(file)[sweep])
  if config is not None:
    settings.check(config_fields.with_fields(config, fields))


_PROGRAMS = sorted({line.split()[2].removeprefix("launch.") for _, line in ALL
                    if line.startswith("python")})  # fmt: skip


@pytest.mark.parametrize("program", _PROGRAMS)
def test_commands_are_what_the_program_takes(program):
  found = [
    (path, line) for path, line in ALL if f" launch.{program}" in line[:30]
  ]
  assert found
  for path, line in found:
    try:
      check(line)
    except (AssertionError, ValueError, KeyError) as error:
      pytest.fail(f"{name_of(path)}: {line}: {error}")


def test_a_wrong_command_is_found():
  train = "python -m launch.train --workdir=DIR --config=configs/molpcba.py:"
  check(f"{train}gcn,sum --config.num_epochs=1")
  for wrong in (
    f"{train}gcn,summ",
    f"{train}gcn,sum --config.num_epoch=1",
    f"{train}gcn,sum --wordkir=DIR",
  ):
    with pytest.raises((AssertionError, ValueError)):
      check(wrong)


def test_make_knows_what_readme_says():
  targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
  said = set(
    re.findall(r"^make (\w+)", "\n".join(blocks(README, ("sh",))), re.M)
  )
  said |= set(re.findall(r"`make (\w+)`", README.read_text()))
  assert said and said <= targets
