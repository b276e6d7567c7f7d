"""Words for error messages: the nearest valid name, always."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

_MOST = 60  # Characters of a quotation.
_MOST_NAMES = 40  # Of a list of what would have been right.
_ALIKE = 0.75  # Of 1, from which on a last part is near enough to be named.


class Damaged(ValueError):
  """What a run left is not what it wrote.

  Attributes:
    flags: Flags with which the same command resumes; None where no such command
      is known.
  """

  flags: tuple[str, ...] | None = None


def suggest(name: str, valid: Iterable[str]) -> str:
  """Returns a sentence with the nearest valid name and the valid ones.

  Args:
    name: What the user wrote.
    valid: The names that would have been accepted.

  Returns:
    Such as `" Did you mean 'sum'? Known: max, mean, sum."`.
  """
  valid = sorted(valid)
  near = difflib.get_close_matches(str(name)[:_MOST], valid, n=1, cutoff=0.5)
  return _hint(*near) + _known(valid)


def suggest_field(name: str, valid: Sequence[str]) -> str:
  """Returns what `suggest` does, for names with dots and in their order.

  Args:
    name: What the user wrote.
    valid: The names that would have been accepted, at least one. They are
      compared as a whole and in their last part. Listed are those that differ
      from the written one in the last part alone, or else all.
  """

  def likeness(other: str) -> float:
    ends = name.rpartition(".")[2], other.rpartition(".")[2]
    return difflib.SequenceMatcher(None, *ends).ratio()

  def whole(other: str) -> float:
    return likeness(other) + difflib.SequenceMatcher(None, name, other).ratio()

  near = max(valid, key=whole)
  part = name.rpartition(".")[0]
  beside = [other for other in valid if other.rpartition(".")[0] == part]
  hint = _hint(near) if likeness(near) >= _ALIKE else ""
  return hint + _known(beside or valid)


def _hint(near: str = "") -> str:
  return f" Did you mean {near!r}?" if near else ""


def _known(valid: Sequence[str]) -> str:
  more = ""
  if len(valid) > _MOST_NAMES:
    more = f", ... ({len(valid):,} in all)"
  return f" Known: {', '.join(valid[:_MOST_NAMES])}{more}."


def quoted(text: str | bytes) -> str:
  """Returns what a file holds as a message shows it: short, on one line.

  Args:
    text: Text of any length; bytes are read as UTF-8.

  Returns:
    Such as `"'CCO'"`, or `"'CCCCC...' (140,941 characters)"`.
  """
  if isinstance(text, bytes):
    text = text.decode(errors="replace")
  if len(text) <= _MOST:
    return repr(text)
  return f"{text[:_MOST] + '...'!r} ({len(text):,} characters)"


def quoted_value(value: Any) -> str:
  """Returns a value of any kind as a message shows it: short, on one line."""
  if isinstance(value, str | bytes):
    return quoted(value)
  text = " ".join(repr(value).split())
  if len(text) <= _MOST:
    return text
  return f"{text[:_MOST]}... ({len(text):,} characters)"


def brief(text: str, most: int) -> str:
  """Returns both ends of a text on one line, of at most so many characters.

  Args:
    text: Text, such as an error message, which may be pages long.
    most: Largest length of what is returned.
  """
  text = " ".join(text.split())
  if len(text) <= most:
    return text
  half = (most - 5) // 2
  return f"{text[:half]} ... {text[-half:]}"
