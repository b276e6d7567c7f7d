"""Formulas of docstrings become MathML, and nothing of them is lost."""

from __future__ import annotations

import inspect
import re
from xml.etree import ElementTree

import pytest

from documentation import formulas
from gnn_readout.readouts import OF_GRAPHS, ORDER_DEPENDENT, READOUTS

ALL = READOUTS | ORDER_DEPENDENT | OF_GRAPHS


def elements(text: str) -> ElementTree.Element:
  """Parses a page's text, which fails where a tag is not closed."""
  return ElementTree.fromstring(f"<p>{text}</p>")


def shown(text: str) -> str:
  return "".join(elements(text).itertext())


@pytest.mark.parametrize(
  ("text", "tag", "parts"),
  [
    ("x_i", "msub", ["x", "i"]),
    ("x_id", "msub", ["x", "id"]),
    ("W^K_h", "msubsup", ["W", "h", "K"]),
    ("n^(a - 1)", "msup", ["n", "a\N{MINUS SIGN}1"]),
    ("x_(1)", "msub", ["x", "(1)"]),
    ("sum_i x", "munder", ["∑", "i"]),
    ("a1 + b", "msub", ["a", "1"]),
    ("(1 / n) x", "mfrac", ["1", "n"]),
    ("sqrt(var + eps) = y", "msqrt", ["var+ε"]),
    ("q*_T = 0", "msubsup", ["q", "T", "\N{ASTERISK OPERATOR}"]),
  ],
)
def test_symbols(text, tag, parts):
  (found,) = elements(formulas.to_html(text)).iter(tag)
  inside = list(found) if tag != "msqrt" else [found]
  said = ["".join(part.itertext()) for part in inside]
  assert said == parts


def test_prose_is_no_mathematics():
  text = formulas.to_html(
    "y = x_1, a learned energy (see `code_y`), by T steps"
  )
  formula = re.sub(r"<math>.*?</math>", "M", text)
  assert formula == (
    # The comma stays on the line of the formula.
    "M\u2060, a learned energy (see <code>code_y</code>), by M steps"
  )


def test_the_number_of_a_table_is_prose():
  assert formulas.to_html("(eq. C.1, table E.4)") == "(eq. C.1, table E.4)"


def test_signs_of_html_are_escaped():
  assert shown(formulas.to_html("`a<b` and c < d")) == "a<b and c<d"


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_word_of_a_docstring_is_lost(name):
  def words(text: str) -> list[str]:
    found = re.findall(r"[A-Za-z]{3,}", text)
    return [word for word in found if word not in formulas.REPLACED]

  for paragraph in inspect.getdoc(ALL[name]).split("\n\n"):
    if paragraph.startswith(("Reference:", "Example:")):
      break
    page = elements(formulas.to_html(paragraph))
    assert words(" ".join(page.itertext())) == words(paragraph)
  assert "<math" in formulas.to_html(ALL[name].formula())
