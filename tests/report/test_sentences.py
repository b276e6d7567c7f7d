"""Every number of results/ comes from a record or from a published table.

No text of a program has a number in it, what programs write is what stands in
results/, and what stands beside it has no number.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

from gnn_readout import records
from gnn_readout.report import blocks
from gnn_readout.report.figures import style
from gnn_readout.report.sections import SECTIONS

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "results"
REPORT = ROOT / "gnn_readout" / "report"
# Not numbers but names: of tables, figures and equations, of publications by
# their year, of datasets and models; and what one calls a maximal score.
_REFERENCE = re.compile(
  r"[Tt]ables? E?\.?[\d.]*\d( to E\.\d)?|Figures? \d+(\.\d+)?[a-z]?"
  r"( and \d+)?|, C\.1 in|\b[CE]\.\d\b|sections? \d+(\.\d+)*"
  r"|\b(19|20)\d\d\b|GIN-0|(fspool|gin|errica)20\d\d"
)
_CODE = re.compile(r"`[^`]*`")


def _numbers(text: str) -> list[str]:
  return re.findall(r"\d+(?:[.,]\d+)*", _REFERENCE.sub("", _CODE.sub("", text)))


def _prose(source: str) -> Iterator[tuple[int, str]]:
  """Yields the strings with a blank that are not docstrings or commands."""
  tree = ast.parse(source)
  docstrings = {
    id(node.body[0].value)
    for node in ast.walk(tree)
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    and isinstance(node.body[0], ast.Expr)
  }
  for node in ast.walk(tree):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
      text = node.value
      # What one reads has words; "weight 1e-4" is a key of published/*.csv.
      if id(node) not in docstrings and " " in text and "python -m" not in text:
        yield node.lineno, text


def test_a_number_in_the_text_of_a_program_is_seen():
  source = '"""Docs 1."""\nx = f"about 5 times {y} of Table 2, E.1"\nz = "a1"'
  assert [_numbers(text) for _, text in _prose(source)] == [["5"], []]
  assert _numbers("Table 2 and Figure 4b, `a 7`, Xu et al. 2019") == []
  assert _numbers("falls from .15 to 0.04, 3 times") == ["15", "0.04", "3"]


@pytest.mark.parametrize(
  "path",
  [
    path
    for folder in ("sections", "results", "figures")
    for path in sorted((REPORT / folder).glob("*.py"))
    if path.name != "svg.py"
  ],
  ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_number_is_typed_into_a_sentence(path):
  typed = {
    line: text for line, text in _prose(path.read_text()) if _numbers(text)
  }
  assert not typed


@pytest.fixture(scope="module")
def made():
  """All sections, of the records in results/; without figures."""
  found = list(records.read_folder(RESULTS / "records").values())
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(style, "save", lambda figure: {})
    return {
      name: blocks.Section(name, row.title, row.make(found), row.file)
      for name, row in SECTIONS.items()
    }


def test_what_stands_in_results_is_what_the_records_say(made):
  again = "; run: python -m launch.report"
  for name, section in made.items():
    assert section.blocks, f"no record makes the section {name}"
    path = RESULTS / section.file
    assert path.exists(), f"there is no {section.file}{again}"
    text = path.read_text()
    if section.file == "README.md":
      text = text.partition(f"<!-- {name}:begin -->\n")[2]
      text = text.partition(f"\n<!-- {name}:end -->")[0]
    else:
      text = text.partition("\n\n")[2].removesuffix("\n")
    assert text == blocks.markdown(section), f"{section.file}, {name}{again}"
    for block in section.blocks:
      if isinstance(block, blocks.File):
        written = (RESULTS / block.name).read_text()
        assert written == block.text, block.name + again


def test_what_stands_beside_the_sections_has_no_number():
  text = (RESULTS / "README.md").read_text()
  text = re.sub(
    r"<!-- (\w+):begin -->.*?<!-- \1:end -->", "", text, flags=re.DOTALL
  )
  text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
  assert "python -m launch" not in _CODE.sub("", text)
  assert len(text.split()) > 100
  assert _numbers(text) == []
