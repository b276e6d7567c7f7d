"""Words that go with numbers in what is printed."""

from __future__ import annotations


def counted(number: float, noun: str, plural: str = "") -> str:
  """Returns such as `1 run`, `2 runs`, `1,234 runs` or `0.5 runs`.

  Args:
    number: How many.
    noun: What one of them is called.
    plural: What more, or none, are called; the noun with an s if empty.
  """
  digits = f"{int(number):,}" if number == int(number) else f"{number:,g}"
  return f"{digits} {noun if number == 1 else plural or f'{noun}s'}"
