"""Standard output and standard error that never end a run."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def outlive_the_reader() -> None:
  """Lets a program continue when what reads its output ends, as `| head` does.

  From the first error of standard output on, what is printed there goes
  nowhere, and likewise for standard error: a run is worth more than its last
  lines, which its files hold too. This is so for a closed terminal and a full
  disk as well. What the encoding lacks is written in ASCII.
  """
  sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def _lasting(stream: TextIO | None) -> Any:
  if stream is None or isinstance(stream, _Lasting):
    return stream  # The program was started without it.
  if hasattr(stream, "reconfigure"):
    stream.reconfigure(errors="backslashreplace")
  return _Lasting(stream)


class _Lasting:
  """A stream that drops what it cannot write."""

  def __init__(self, stream: TextIO):
    self._stream = stream

  def write(self, text: str) -> int:
    self._try("write", text)
    return len(text)

  def flush(self) -> None:
    self._try("flush")

  def _try(self, method: str, *arguments: Any) -> None:
    try:
      getattr(self._stream, method)(*arguments)
    except OSError:
      # What is still in its buffer goes there too when the program ends.
      nowhere = os.open(os.devnull, os.O_WRONLY)
      os.dup2(nowhere, self._stream.fileno())
      os.close(nowhere)

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)
