"""The Python of the pages in docs/ runs."""

from __future__ import annotations

import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parents[1] / "docs"
_BLOCKS = {
  f"{path.stem}: {heading}": code
  for path in sorted(DOCS.glob("*.md"))
  for heading, code in re.findall(
    r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```",
    path.read_text(encoding="utf-8"),
    re.M | re.S,
  )
}


def test_every_block_is_found():
  texts = [path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")]
  assert len(_BLOCKS) == sum(text.count("```python\n") for text in texts) >= 5


@pytest.mark.parametrize("name", _BLOCKS)
def test_it_runs(name):
  exec(compile(_BLOCKS[name], f"docs, {name}", "exec"), {})
