"""The examples of CONTRIBUTING.md, each done in a copy of the repository."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests import tracked

ROOT = pathlib.Path(__file__).parents[1]
PYTEST_FLAGS = ("-rA", "-p", "no:cacheprovider")
BEGIN, END = "<!-- readouts:begin -->", "<!-- readouts:end -->"


class Example(NamedTuple):
  """What a section of CONTRIBUTING.md says.

  Attributes:
    num_files: How many files it says are touched.
    new: Text of the new files, by name.
    changes: File and changed lines of each block of changes.
    commands: What is typed in the end.
  """

  num_files: int
  new: dict[str, str]
  changes: list[tuple[str, list[str]]]
  commands: list[str]


class Copy:
  """A copy of the repository, without what records and figures there are.

  Attributes:
    root: Where it is.
    before: Bytes of its files, by name.
  """

  def __init__(self, root: pathlib.Path):
    self.root = root
    self.before = {
      str(path.relative_to(ROOT)): path.read_bytes()
      for path in tracked.files()
      if ROOT / "results" not in path.parents
    }
    for name in self.before:
      (root / name).parent.mkdir(parents=True, exist_ok=True)
      shutil.copy(ROOT / name, root / name)

  def apply(self, example: Example) -> None:
    for name, text in example.new.items():
      assert name not in self.before, f"{name} is there already"
      assert (self.root / name).parent.is_dir(), name
      (self.root / name).write_text(text)
    for name, lines in example.changes:
      path = self.root / name
      path.write_text(changed(path.read_text(), lines))

  def touched(self) -> set[str]:
    """Returns the files of the copy that differ from the repository's."""
    return {
      str(path.relative_to(self.root))
      for path in self.root.rglob("*")
      if path.is_file()
      and not {"__pycache__", ".ruff_cache"} & set(path.parts)
      and self.before.get(str(path.relative_to(self.root))) != path.read_bytes()
    }

  def run(self, *command: str) -> subprocess.CompletedProcess:
    # Not what this session of pytest and its flags say to that one.
    environment = {
      name: value
      for name, value in os.environ.items()
      if name != "XLA_FLAGS" and not name.startswith("PYTEST_")
    }
    environment |= {
      "JAX_PLATFORMS": "cpu",
      "PYTHONDONTWRITEBYTECODE": "1",
      "PYTHONPATH": str(self.root),
    }
    return subprocess.run(
      [sys.executable, *command],
      cwd=self.root,
      env=environment,
      capture_output=True,
      text=True,
      timeout=600,
    )

  def succeed(self, *command: str) -> str:
    """Returns what a command prints, which must not fail."""
    done = self.run(*command)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout

  def finish(self, example: Example) -> str:
    """Types the commands and returns what they print."""
    said = ""
    for line in example.commands:
      program, *words = shlex.split(line)
      assert program == "python", line
      if words[:2] == ["-m", "pytest"]:
        words += PYTEST_FLAGS
      said += self.succeed(*words)
    return said


def examples(text: str) -> dict[str, Example]:
  """Returns the examples of CONTRIBUTING.md by heading."""
  found = {}
  for section in re.split(r"^### ", text, flags=re.M)[1:]:
    blocks = re.findall(
      r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", section, re.M | re.S
    )
    commands = "".join(body for kind, _, body in blocks if kind == "sh")
    (number,) = re.findall(r"\*\*(\d+) files\*\*", section)
    found[section.partition("\n")[0]] = Example(
      int(number),
      {name: body for kind, name, body in blocks if kind == "python"},
      [(name, body.splitlines()) for kind, name, body in blocks
       if kind == "diff"],
      commands.replace("\\\n", " ").splitlines(),
    )  # fmt: skip
  return found


def changed(text: str, lines: list[str]) -> str:
  """Returns a file's text with the changes of one block.

  Args:
    text: Of the file.
    lines: The first is in the file once, after a blank or `-`; the others start
      with `+` and come below it, or in its place.
  """
  first, *added = lines
  assert first[0] in " -" and all(line[0] == "+" for line in added), lines
  old = first[1:] + "\n"
  before, after = f"\n{text}".split(f"\n{old}")  # Once, as a whole line.
  kept = old if first[0] == " " else ""
  new = "".join(f"{line[1:]}\n" for line in added)
  return f"{before}\n{kept}{new}{after}"[1:]


EXAMPLES = examples((ROOT / "CONTRIBUTING.md").read_text())


@pytest.fixture
def copy(tmp_path):
  return Copy(tmp_path / "copy")


def test_the_examples_are_all_kinds_of_rows():
  assert [(name, e.num_files) for name, e in EXAMPLES.items()] == [
    ("A readout", 3),
    ("A message-passing layer", 3),
    ("A source of data", 3),
    ("A task", 4),
    ("A section of the results", 3),
  ]


def test_changes_go_below_a_line_or_in_its_place():
  text = "a\n  b\nc\n"
  assert changed(text, ["   b", "+x", "+ y"]) == "a\n  b\nx\n y\nc\n"
  assert changed(text, ["-a", "+x"]) == "x\n  b\nc\n"
  for lines in (["   d", "+x"], [" b", "+x"]):
    with pytest.raises(ValueError):
      changed(text, lines)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_works_and_touches_no_more_files_than_it_says(copy, name):
  example = EXAMPLES[name]
  copy.apply(example)
  touched = copy.touched()
  assert touched == {*example.new, *(file for file, _ in example.changes)}
  assert len(touched) == example.num_files
  python = [str(copy.root / file) for file in sorted(touched)]
  copy.succeed("-m", "ruff", "check", "--no-cache", *python)
  copy.succeed("-m", "ruff", "format", "--check", "--no-cache", *python)
  if name == "A readout":
    _check_the_reminder(copy)
  said = copy.finish(example)
  for file in example.new:
    if file.startswith("tests/"):
      assert f"PASSED {file}::" in said
  if name == "A readout":
    _check_readout(copy, said)
    touched.add("README.md")
  assert copy.touched() == touched


def _check_the_reminder(copy: Copy) -> None:
  """README's generated table is old, and the test of it says what to type."""
  test = ["tests/readouts/test_listing.py", "-k=readme"]
  done = copy.run("-m", "pytest", *test, *PYTEST_FLAGS)
  assert done.returncode == 1
  command = "python -m launch.readouts --readme=README.md"
  assert f"write it anew: {command}" in done.stdout


def _check_readout(copy: Copy, said: str) -> None:
  """The contract was tested, README has its name, configs its argument."""
  for test in (
    "test_contract.py::test_order_does_not_matter[geometric_mean]",
    "test_docstrings.py::test_example_runs[geometric_mean]",
    "test_listing.py::test_the_table_of_readme_is_that_of_the_classes",
  ):
    assert f"PASSED tests/readouts/{test}" in said
  outside = []
  for text in (copy.before["README.md"].decode(), _text(copy, "README.md")):
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    outside.append((before, after))
  assert "`geometric_mean`" in table
  assert outside[0] == outside[1]  # Only the generated lines are others.

  train = [
    "-m",
    "launch.train",
    "--config=configs/median.py:geometric_mean",
    "--config.population=",
    "--config.model.element_widths=3",
    "--config.model.head_widths=3",
    "--config.num_steps=1",
    "--config.num_eval_sets=1",
    f"--workdir={copy.root.parent / 'run'}",
  ]
  done = copy.run(*train, "--config.model.readout.minimum=-1")
  assert "minimum must be positive, got -1" in done.stderr
  shutil.rmtree(copy.root.parent / "run", ignore_errors=True)
  copy.succeed(*train, "--config.model.readout.minimum=0.1")
  record = json.loads((copy.root.parent / "run" / "record.json").read_text())
  assert record["config"]["model"]["readout"]["minimum"] == 0.1


def _text(copy: Copy, name: str) -> str:
  return (copy.root / name).read_text()
