"""Numbers with their nouns, in the singular or plural, as they are printed."""

from __future__ import annotations

import re


def counted(number: float, noun: str, plural: str = "") -> str:
  """Returns such as `1 run`, `2 runs`, `1,234 runs` or `0.5 runs`.

  Args:
    number: How many.
    noun: What one of them is called.
    plural: What more, or none, are called; the noun with an s if empty.
  """
  digits = f"{int(number):,}" if number == int(number) else f"{number:,g}"
  return f"{digits} {noun if number == 1 else plural or f'{noun}s'}"


# How a formula begins, as far as spreadsheets know.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# With commas between thousands or without.
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_NUMBER = re.compile(
  rf"[+-]?(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)


def no_formula(text: str) -> str:
  """Returns a text for a CSV file that no spreadsheet takes for a formula.

  Args:
    text: Any; one that begins like a formula, and is no number, gets an
      apostrophe in front.
  """
  is_formula = text.startswith(_FORMULA) and not _NUMBER.fullmatch(text)
  return f"'{text}" if is_formula else text
