"""Formulas of docstrings, such as `y = sum_i a_i x_i`, as MathML.

Docstrings hold formulas as plain text that is legible in a terminal. A browser
shows MathML without a script or a font from elsewhere, so a page needs neither.
A text is cut into prose and mathematics by a few rules:

* a word of two letters or more is prose, unless it is a Greek letter, or a
  bracket, a subscript or a superscript follows without a blank: `softmax_i(`;
* `a` and `A` before prose are the article;
* a bracket that holds prose is prose;
* text in backticks is code.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_GREEK = {
  "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε",
  "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ", "pi": "π",
  "rho": "ρ", "sigma": "σ", "phi": "φ", "dt": "dt",
}  # fmt: skip
_LARGE = {"sum": "∑", "prod": "∏", "int": "∫"}
REPLACED = (*_GREEK, *_LARGE, "sqrt")  # Words that become signs.
_SIGNS = {
  "->": "→", "<-": "←", "!=": "≠", "<=": "≤", ">=": "≥", "-": "−", "*": "∗",
  "...": "…", "+-": "±",
}  # fmt: skip
_JOINER = "\u2060"  # No line ends between what it joins.
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(
  r"""
  (?P<code>`[^`]*`)
  |(?P<blank>\s+)
  |(?P<number>\d+(?:[.,]\d+)*(?:e-?\d+)?)
  |(?P<word>log2|[^\W\d_]{3,}_[^\W\d_]{3,}|[^\W\d_]{2,}(?:[-'’][^\W\d_]+)*'?|[^\W\d_])
  |(?P<sign>\.\.\.|->|<-|!=|<=|>=|\+-|.)
  """,
  re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
  """A piece of a formula.

  Attributes:
    kind: 'code', 'blank', 'number', 'word', 'sign', or 'prose' for the article.
    text: As it was written.
  """

  kind: str
  text: str


def tokens(text: str) -> list[Token]:
  """Returns the pieces of a text; joined, they are the text."""
  return [
    Token(str(found.lastgroup), found[0]) for found in _TOKEN.finditer(text)
  ]


def to_html(text: str, display: bool = False) -> str:
  """Returns a text as HTML, with its mathematics as MathML.

  Args:
    text: Of a docstring.
    display: Whether sums are as high as in a line of their own.
  """
  return "".join(_pieces(tokens(" ".join(text.split())), display))


def _pieces(row: list[Token], display: bool) -> Iterator[str]:
  """Yields prose and whole formulas in turns."""
  math: list[Token] = []
  for part in _parts(row):
    if _is_math(part):
      math += part
      continue
    yield from _flush(math, display)
    math = []
    first, *rest = part
    if first.kind == "code":
      yield f"<code>{html.escape(first.text[1:-1], quote=False)}</code>"
    elif rest:  # A bracket that holds prose.
      yield html.escape(first.text, quote=False)
      yield from _pieces(part[1:-1], display)
      yield html.escape(part[-1].text, quote=False)
    else:
      yield html.escape(first.text, quote=False)
  yield from _flush(math, display)


def _parts(row: list[Token]) -> Iterator[list[Token]]:
  """Yields what is prose or mathematics as a whole.

  That is a word, sign or number; a symbol with its scripts and arguments; or a
  bracket with all that it holds.
  """
  place = 0
  while place < len(row):
    end = _end(row, place)
    token = row[place]
    if _is_number_of_table(row, place):
      yield [Token("prose", "".join(t.text for t in row[place : place + 3]))]
      place += 3
      continue
    follows = row[end] if end < len(row) else None
    if token.kind == "word" and len(token.text) == 1 and follows is not None:
      word = row[end + 1] if end + 1 < len(row) else None
      if follows.text == "-" and word and _is_long(word) and end == place + 1:
        yield [token]  # As in 'k-th': the letter, then prose.
        yield [Token("word", f"-{word.text}")]
        place = end + 2
        continue
      is_alone = follows.kind == "blank" and end == place + 1
      if token.text in "aA" and is_alone and word and _is_prose(row, end + 1):
        yield [Token("prose", token.text)]
        place = end
        continue
    yield row[place:end]
    place = end


def _is_number_of_table(row: list[Token], place: int) -> bool:
  """Says whether something like `E.4` or `C.1` starts here."""
  kinds = [token.kind for token in row[place : place + 3]]
  return (
    kinds == ["word", "sign", "number"]
    and row[place].text.isupper()
    and row[place + 1].text == "."
  )


def _end(row: list[Token], place: int) -> int:
  """Returns where the symbol or bracket that starts at `place` ends."""
  token = row[place]
  end = (_closing(row, place) if token.text in _CLOSING else place) + 1
  if token.kind not in ("word", "number") and token.text not in (
    *_CLOSING, "|",
  ):  # fmt: skip
    return end
  if _has_index(row, place):
    end += 1
  while end < len(row):
    sign = row[end].text
    if sign in ("_", "^") and end + 1 < len(row):
      end = _script_end(row, end + 1)
    elif (sign == "'" and token.kind == "word" and len(token.text) == 1) or (
      sign == "*" and end + 1 < len(row) and row[end + 1].text == "_"
    ):
      end += 1
    elif sign in ("(", "[") and token.kind == "word":
      end = _closing(row, end) + 1
    else:
      break
  return end


def _has_index(row: list[Token], place: int) -> bool:
  """Says whether a number follows a letter at once, as in `a1`."""
  follows = place + 1 < len(row) and row[place + 1].kind == "number"
  return follows and row[place].kind == "word" and len(row[place].text) == 1


def _script_end(row: list[Token], place: int) -> int:
  if row[place].text in _CLOSING:
    return _closing(row, place) + 1
  end = place + (row[place].text == "-")
  while end < len(row) and row[end].kind in ("word", "number"):
    end += 1
  return max(end, place + 1)


def _closing(row: list[Token], place: int) -> int:
  """Returns where the bracket of `place` closes, or `place` if nowhere."""
  depth = 0
  for i in range(place, len(row)):
    depth += (row[i].text in _CLOSING) - (row[i].text in _CLOSING.values())
    if depth == 0:
      return i
  return place


def _is_long(token: Token) -> bool:
  return token.kind == "word" and len(token.text) > 1


def _is_prose(row: list[Token], place: int) -> bool:
  """Says whether the word at a place is prose."""
  token = row[place]
  bound = place + 1 < len(row) and row[place + 1].text in ("_", "^", "(")
  return _is_long(token) and token.text not in _GREEK and not bound


def _is_math(part: list[Token]) -> bool:
  first = part[0]
  if first.kind in ("code", "prose"):
    return False
  if first.text in _CLOSING and len(part) > 1:
    return all(map(_is_math, _parts(part[1:-1])))
  if first.kind == "word":
    return len(part) > 1 or len(first.text) == 1 or first.text in _GREEK
  return True


def _flush(math: list[Token], display: bool) -> Iterator[str]:
  """Yields a formula between the blanks and punctuation around it."""
  start, end = 0, len(math)
  while start < end and _is_punctuation(math[start]):
    start += 1
  while end > start and _is_punctuation(math[end - 1]):
    end -= 1
  inner = math[start:end]
  yield _text(math[:start])
  if any(t.kind == "word" or t.text in ("=", "->") for t in inner):
    style = ' display="block"' if display else ""
    yield f"<math{style}>{_row(inner)}</math>"
  else:
    yield _text(inner)
  after = _text(math[end:])
  # A full stop stays on the line of its formula.
  yield f"{_JOINER}{after}" if after[:1].strip() else after


def _is_punctuation(token: Token) -> bool:
  return token.kind == "blank" or token.text in (",", ".", ";", ":", "'", '"')


def _text(row: list[Token]) -> str:
  return html.escape("".join(token.text for token in row), quote=False)


def _row(row: list[Token]) -> str:
  """Returns the MathML of some tokens, which are all mathematics."""
  result, place = [], 0
  while place < len(row):
    end = _end(row, place)
    result.append(_element(row, place, end))
    place = end
  return f"<mrow>{''.join(result)}</mrow>"


def _element(row: list[Token], place: int, end: int) -> str:
  """Returns a symbol with its scripts and arguments."""
  token = row[place]
  if token.kind == "blank":
    return '<mspace width="0.2em"/>'
  if token.text in _CLOSING:
    after = _closing(row, place) + 1
    base = _bracket(row[place:after])
  else:
    after = place + 1
    base = _symbol(row, place)
  if token.text == "sqrt" and after < end and row[after].text == "(":
    close = _closing(row, after)
    return f"<msqrt>{_row(row[after + 1 : close])}</msqrt>"
  below, above, arguments = "", "", ""
  if _has_index(row, place):
    below, after = _symbol(row, after), after + 1
  while after < end:
    sign = row[after].text
    if sign in ("_", "^"):
      stop = _script_end(row, after + 1)
      script = _script(row[after + 1 : stop], is_above=sign == "^")
      below, above = (script, above) if sign == "_" else (below, above + script)
      after = stop
    elif sign in ("'", "*"):
      above += f"<mo>{'′' if sign == chr(39) else '∗'}</mo>"
      after += 1
    else:
      close = _closing(row, after)
      arguments += "<mo>&#x2061;</mo>" + _fenced(row[after : close + 1])
      after = close + 1
  large = token.text in _LARGE
  if below and above:
    tag = "munderover" if large and token.text != "int" else "msubsup"
    base = f"<{tag}>{base}<mrow>{below}</mrow><mrow>{above}</mrow></{tag}>"
  elif below:
    tag = "munder" if large and token.text != "int" else "msub"
    base = f"<{tag}>{base}<mrow>{below}</mrow></{tag}>"
  elif above:
    base = f"<msup>{base}<mrow>{above}</mrow></msup>"
  return base + arguments


def _symbol(row: list[Token], place: int) -> str:
  kind, text = row[place]
  if kind == "number":
    return f"<mn>{text}</mn>"
  if kind == "word":
    if text == "x" and [t.text for t in row[max(place - 2, 0) : place]] == [
      ")", " ",
    ]:  # fmt: skip
      return "<mo>×</mo>"
    if text == "log2":
      return "<msub><mi>log</mi><mn>2</mn></msub>"
    if text in _LARGE:
      return f"<mo>{_LARGE[text]}</mo>"
    if len(text) > 1 and text not in _GREEK:
      return f'<mi mathvariant="normal">{html.escape(text)}</mi>'
    return f"<mi>{_GREEK.get(text, text)}</mi>"
  if text == "|":
    return '<mo lspace="0" rspace="0" stretchy="false">|</mo>'
  if text == "." and place > 0 and row[place - 1].kind == "blank":
    return "<mo>⋅</mo>"
  return f"<mo>{html.escape(_SIGNS.get(text, text))}</mo>"


def _script(row: list[Token], is_above: bool) -> str:
  """Returns a subscript or superscript; `id` there is i and d.

  The bracket of an exponent goes; below, as in `x_(1)`, it means an order.
  """
  if row[0].text == "{" or (row[0].text == "(" and is_above):
    row = row[1:-1]
  result = []
  for token in row:
    if _is_long(token) and token.text not in (*_GREEK, "max", "min"):
      result += [Token("word", letter) for letter in token.text]
    else:
      result.append(token)
  return _row(result)


def _bracket(row: list[Token]) -> str:
  """Returns a bracket; one that holds `A / B` alone is a fraction."""
  inner = row[1:-1]
  slashes = [
    i for i, token in enumerate(inner)
    if token.text == "/" and _depth(inner[:i]) == 0
  ]  # fmt: skip
  if len(slashes) == 1 and row[0].text == "(":
    i = slashes[0]
    spaced = 0 < i < len(inner) - 1 and inner[i - 1].kind == "blank"
    simple = not any(
      token.text in ("+", "-", ",") and _depth(inner[:j]) == 0
      for j, token in enumerate(inner)
    )
    if spaced and simple:
      return f"<mfrac>{_row(inner[: i - 1])}{_row(inner[i + 2 :])}</mfrac>"
  return _fenced(row)


def _fenced(row: list[Token]) -> str:
  inner = _row(row[1:-1])
  high = "true" if "<mfrac>" in inner else "false"
  left, right = (
    f'<mo stretchy="{high}">{row[place].text}</mo>' for place in (0, -1)
  )
  return f"<mrow>{left}{inner}{right}</mrow>"


def _depth(row: list[Token]) -> int:
  return sum((t.text in _CLOSING) - (t.text in _CLOSING.values()) for t in row)
