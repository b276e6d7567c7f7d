"""What becomes part of a path: checked, or made, here and nowhere else.

Names of records and of datasets, values of a population, members of a zip:
whoever wrote them may have written `../x`, a line break or a whole page.
"""

from __future__ import annotations

import hashlib
import re

from gnn_readout.errors import quoted

_LONGEST = 200  # Bytes; names of files may have 255, and endings are added.
_LONGEST_MADE = 160


def is_part(text: str) -> bool:
  """Returns whether a text can name a file or a folder inside of another."""
  return (
    0 < len(text.encode(errors="replace")) <= _LONGEST
    and text.isprintable()
    and not text.startswith(".")
    and not {"/", "\\"} & {*text}
  )


def check_part(text: str, what: str) -> str:
  """Returns a text that can name a file or a folder inside of another.

  Args:
    text: The name.
    what: What it is the name of, for the message.

  Raises:
    ValueError: If it is empty, long, hidden, or leads elsewhere.
  """
  if not is_part(text):
    raise ValueError(
      f"{what} cannot be {quoted(text)}: it becomes the name of a"
      f" file, which must have 1 to {_LONGEST} bytes, no slashes or control"
      " characters, and no dot at its start"
    )
  return text


def part(text: str) -> str:
  """Returns the text if it can name a file, else a name made of it."""
  return text if is_part(text) else made(text)


def made(text: str) -> str:
  """Returns a name that no shell mistakes; different ones for different texts.

  Args:
    text: Any; one of letters, digits and `._,=+-` is its own name.
  """
  name = re.sub(r"^[^A-Za-z0-9]|[^A-Za-z0-9._,=+-]", "_", text)
  name = name[:_LONGEST_MADE] or "_"
  if name != text:  # Two texts may have become one name.
    digest = hashlib.sha256(text.encode(errors="backslashreplace"))
    name += f"-{digest.hexdigest()[:8]}"
  return name


def is_below(name: str) -> bool:
  """Returns whether the path of a zip's member stays in the zip's folder."""
  return (
    name.removesuffix("/").isprintable()
    and "\\" not in name
    and not name.startswith("/")
    and ".." not in name.split("/")
  )
