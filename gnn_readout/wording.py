"""Words that go with numbers in what is printed."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
  """Returns such as `1 run`, `2 runs` or `1,234 runs`.

  Args:
    number: How many.
    noun: What one of them is called.
    plural: What more, or none, are called; the noun with an s if empty.
  """
  return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
