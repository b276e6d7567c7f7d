"""Numbers with their nouns, and words that may not come back.

What a reader sees is every string with a blank in it: help, errors, captions,
progress lines. A row of `BANNED` is a kind of wording that made readers
stumble, and what is written instead.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from gnn_readout.wording import counted, no_formula

ROOT = pathlib.Path(__file__).parents[1]
_FOLDERS = ("gnn_readout", "launch", "configs", "benchmarks")


@pytest.mark.parametrize(
  "number", ["-1", "+1", "-.5", "-1.", "-2.5e-3", "-1,234", "-1,234,567.8", "7"]
)
def test_a_number_is_no_formula(number):
  assert no_formula(number) == number


@pytest.mark.parametrize(
  "text",
  ["-", "-a", "-1+1", "-1-1", "+1,", "-1,23", "-1.2.3", "-1e", "=1", "@"],
)
def test_what_is_no_number_is_no_formula_either(text):
  assert no_formula(text) == f"'{text}"


@pytest.mark.parametrize(
  ("arguments", "text"),
  [
    ((0, "run"), "0 runs"),
    ((1, "run"), "1 run"),
    ((2, "run"), "2 runs"),
    ((1234, "task"), "1,234 tasks"),
    ((np.int64(1), "task"), "1 task"),
    ((1.0, "epoch"), "1 epoch"),
    ((12000.0, "epoch"), "12,000 epochs"),
    ((0.5, "epoch"), "0.5 epochs"),
    ((1, "study", "studies"), "1 study"),
    ((3, "study", "studies"), "3 studies"),
  ],
)
def test_counted(arguments, text):
  assert counted(*arguments) == text


class Text(NamedTuple):
  """A string of the source.

  Attributes:
    place: File and line.
    text: What it holds; a value of an f-string is `{}`.
    is_docstring: Whether only who reads the code sees it.
  """

  place: str
  text: str
  is_docstring: bool


class Banned(NamedTuple):
  """A kind of wording.

  Attributes:
    pattern: A regular expression that finds it.
    instead: What is written instead.
    example: A text that it finds, as it once stood somewhere.
    in_docstrings: Whether docstrings are searched as well.
  """

  pattern: str
  instead: str
  example: str
  in_docstrings: bool = True


BANNED = {
  "company": Banned(
    r"(?<!')\bcompany\b",
    "other sets in the batch",
    "when a set is alone in its batch (company)",
  ),
  "going on": Banned(
    r"\bgo(es|ing)? on (from|where|with|in)\b|command goes on|\bto go on\b",
    "resumes",
    "{}: stopped; the same command goes on",
  ),
  "deviation": Banned(
    r"(?<!standard )\bdeviations?\b",
    "standard deviation, or std",
    "apart, in published deviations",
    in_docstrings=False,
  ),
  "sample deviation": Banned(
    r"\b(sample|population) deviation",
    "sample standard deviation",
    "Mean and sample deviation over the seeds.",
  ),
  "verdict": Banned(
    r"said to differ|within noise|no difference shown|better, level, worse",
    "differ significantly; not significant; won / tied / lost",
    "Two results are said to differ if p < {}",
    in_docstrings=False,
  ),
  "selected on test": Banned(
    r"is too good\b",
    "Rows selected on the test folds are optimistic",
    "What is selected on test is too good, and not comparable with the rest.",
  ),
  "dry run": Banned(
    r"\b[Rr]ehears\w+",
    "dry run",
    "so that it can be rehearsed at full size",
  ),
  "pipeline": Banned(
    r"\bdata's way\b",
    "data pipeline",
    "Speed of the data's way: conversion, opening, batching, scoring.",
  ),
  "the likes of": Banned(
    r"\blikes of\b", "commands such as", "Made by the likes of {}."
  ),
  "against that of": Banned(
    r"[Aa]gainst that of\b",
    "relative to",
    "Against that of equilibrium, the test {} is {}.",
  ),
  "nothing but": Banned(
    r"\bin nothing but\b",
    "differ only in",
    "No two runs differ in nothing but the readout",
    in_docstrings=False,
  ),
  "batch size": Banned(
    r"\b(sets|examples|ms|GFLOP) a step\b",
    "batch size; ms per step",
    "sets a step",
  ),
  "of how many": Banned(
    r"\{\} \(of \{\}\)", "(best of {})", "{} (of {})", in_docstrings=False
  ),
  "another run's config": Banned(
    r"belongs to another config|\bhere \{\}, there \{\}",
    "holds a run with {}, not {}",
    "{}: here {}, there {}",
    in_docstrings=False,
  ),
  "cannot be": Banned(
    r"\bfield \S+ (is \{\}, it )?cannot be\b",
    "field {} has the invalid value {}; {} expects an integer, got {}",
    "{}: field {} cannot be {}",
  ),
  "needs the other": Banned(
    r"\bneeds (adjoint|gradient) ",
    "{} is not supported with adjoint='implicit'",
    "{} needs adjoint 'unrolled', got 'implicit'.",
    in_docstrings=False,
  ),
  "is no": Banned(
    r"(?<![Tt]here )\b(is|are) no (?!longer|more|less)[a-zA-Z]",
    "is not a config file",
    "{} is no config file: {}",
    in_docstrings=False,
  ),
  "once more": Banned(
    r"\b(made|begins|drawn|written|fetched|train them) anew\b",
    "written again, newly drawn",
    "{}; it was made anew, for step {}",
    in_docstrings=False,
  ),
  "Slurm's": Banned(
    r"\bof Slurm's\b", "of Slurm", "a job array of Slurm's", in_docstrings=True
  ),
  "plural": Banned(
    r"(\{\}|\b1) (runs|members|programs|cores|workers)\b",
    "counted(number, 'run')",
    "{} runs x {} folds",
    in_docstrings=False,
  ),
  "whose it is": Banned(
    r"(?m)^ +[a-z]\w*: ((Of|That of|Those of|Such as) |Likewise\.)",
    "the noun: 'Seed of the shuffling.'",
    "  Args:\n    seed: Of the resamples.",
  ),
  "a fragment": Banned(
    r"\A(Of|For|By|In|As) ",
    "a sentence, or the noun",
    "Of the whole run.",
  ),
}


@functools.cache
def _texts() -> tuple[Text, ...]:
  return tuple(
    text
    for folder in _FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    for text in _texts_of(path)
  )


def _texts_of(path: pathlib.Path) -> Iterator[Text]:
  tree, docstrings, inner = ast.parse(path.read_text()), set(), set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
      first = node.body[0] if node.body else None
      if isinstance(first, ast.Expr):
        docstrings.add(first.value)
    if isinstance(node, ast.JoinedStr):
      inner.update(x for x in ast.walk(node) if x is not node)
  for node in ast.walk(tree):
    words = _words(node)
    if words and node not in inner and " " in words.strip():
      place = f"{path.relative_to(ROOT)}:{node.lineno}"
      yield Text(place, words, node in docstrings)


def _words(node: ast.AST) -> str:
  """Returns what a string says, '' of anything else."""
  if isinstance(node, ast.JoinedStr):
    return "".join(_words(value) or "{}" for value in node.values)
  value = getattr(node, "value", None)
  return value if isinstance(node, ast.Constant) and type(value) is str else ""


def _is_banned(row: Banned, text: Text) -> bool:
  if text.is_docstring and not row.in_docstrings:
    return False
  return re.search(row.pattern, text.text) is not None


@pytest.mark.parametrize("kind", BANNED)
def test_words_that_made_readers_stumble_do_not_come_back(kind):
  row = BANNED[kind]
  assert re.search(row.pattern, row.example)
  found = [x for x in _texts() if _is_banned(row, x)]
  assert not found, f"write: {row.instead}\n" + "\n".join(
    f"{x.place}: {x.text[:200]!r}" for x in found
  )


def test_the_results_do_not_have_them():
  text = (ROOT / "results/README.md").read_text()
  found = {
    kind: match.group()
    for kind, row in BANNED.items()
    if kind not in ("deviation", "a fragment")
    and (match := re.search(row.pattern, text))
  }
  assert not found
  assert not re.search(r"(?<!standard )\bdeviations?\b", text)


def _flags() -> Iterator[tuple[str, str, str]]:
  """Yields place, name and help of every flag that the programs define."""
  defined = re.compile(r"DEFINE_|define_(workdir|config)")
  for folder in ("launch", "gnn_readout/cli"):
    for path in sorted((ROOT / folder).glob("*.py")):
      for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
          continue
        name = ast.unparse(node.func).rpartition(".")[2]
        texts = [x for x in map(_words, node.args) if " " in x.strip()]
        if defined.match(name) and texts:
          yield f"{path.relative_to(ROOT)}:{node.lineno}", name, texts[-1]


def test_help_is_whole_sentences():
  found = list(_flags())
  assert len(found) > 40
  wrong = [
    (place, text)
    for place, _, text in found
    if not re.match(r"[A-Z].*\.\Z", text, re.DOTALL)
    or len(text.split()) < 4
    or re.match(r"(Its|Of|So|What|This one|Another one)\b", text)
  ]
  assert not wrong


def test_every_module_opens_with_its_idea():
  for folder in _FOLDERS:
    for path in (ROOT / folder).rglob("*.py"):
      doc = ast.get_docstring(ast.parse(path.read_text()))
      assert doc, f"{path} does not say what it holds"
      assert doc.splitlines()[0].endswith((".", "?", "`", ":", "!")), path
