"""docs/any-jax-library.md: each block of Python runs by itself."""

from __future__ import annotations

import pathlib
import re

import pytest

_PAGE = pathlib.Path(__file__).parents[1] / "docs" / "any-jax-library.md"
_TEXT = _PAGE.read_text(encoding="utf-8")
_BLOCKS = dict(
  re.findall(
    r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```", _TEXT, re.M | re.S
  )
)


def test_every_block_is_found():
  assert len(_BLOCKS) == _TEXT.count("```python\n") == 5


@pytest.mark.parametrize("name", _BLOCKS)
def test_it_runs(name):
  exec(compile(_BLOCKS[name], f"{_PAGE.name}, {name}", "exec"), {})
