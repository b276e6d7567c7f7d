"""Zip files, looked at as a whole before any of them is used."""

from __future__ import annotations

import contextlib
import errno
import lzma
import pathlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from gnn_readout import paths
from gnn_readout.errors import brief, quoted

MAX_UNPACKED = 4 << 30
_PIECE = 1 << 20

# What Python raises of a damaged zip; of bzip2 also OSError, without a number.
DAMAGE = (
  EOFError,
  OverflowError,
  RuntimeError,  # Encrypted, or packed in a way that is not known.
  lzma.LZMAError,
  struct.error,
  zipfile.BadZipFile,
  zlib.error,
)


def members(
  archive: zipfile.ZipFile, path: pathlib.Path, inside: str, max_unpacked: float
) -> list[zipfile.ZipInfo]:
  """Returns the members below a folder of a zip that can be trusted.

  Args:
    archive: The zip, open.
    path: Where it lies, for error messages.
    inside: A folder at the zip's top level.
    max_unpacked: The most bytes the zip may claim to unpack to.

  Raises:
    ValueError: If the zip is too large, has no such folder, or has a member
      that is a link or lies outside of the folder it would be unpacked to.
  """
  infos = archive.infolist()
  total = sum(info.file_size for info in infos)
  if total > max_unpacked:
    raise ValueError(
      f"{path} would unpack to {total:,} bytes, more than the"
      f" {max_unpacked:,.0f} allowed: raise --max_unpacked_gb if you trust the"
      " file."
    )
  seen = set()
  for info in infos:
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
      raise ValueError(
        f"{path} is refused: {quoted(name)} in it is neither a file nor a"
        " folder."
      )
    if not paths.is_below(name):
      raise ValueError(
        f"{path} is refused: {quoted(name)} in it lies outside its folder."
      )
    if name in seen:
      raise ValueError(f"{path} is refused: it holds {quoted(name)} twice.")
    seen.add(name)
  found = [m for m in infos if m.filename.startswith(f"{inside}/")]
  if not found:
    tops = sorted({info.filename.split("/")[0] for info in infos})
    held = brief(", ".join(tops), 200) or "nothing"
    raise ValueError(f"{path} holds no folder {inside!r} but {held}.")
  return found


@contextlib.contextmanager
def damage_named(path: pathlib.Path, member: str = "") -> Iterator[None]:
  """Turns the errors of a broken zip into a ValueError that names it.

  Args:
    path: Path of the zip.
    member: What is read of it, if that is one member.
  """
  try:
    yield
  except (*DAMAGE, OSError) as error:
    # EINVAL: a place before the start of the file.
    is_system = isinstance(error, OSError) and error.errno is not None
    if is_system and error.errno != errno.EINVAL:
      raise
    where = f"{member}: " if member else ""
    raise ValueError(
      f"{path} is not a complete, readable zip file"
      f" ({where}{brief(str(error), 200)}): delete it and run the same command"
      " again."
    ) from error


def check(path: pathlib.Path, inside: str, max_unpacked: float) -> None:
  """Reads all members of a zip.

  Raises:
    ValueError: As `members`, or if one is damaged; the message names it.
  """
  with damage_named(path), zipfile.ZipFile(path) as archive:
    members(archive, path, inside, max_unpacked)
    for info in archive.infolist():
      with damage_named(path, info.filename), archive.open(info) as file:
        while file.read(_PIECE):
          pass


def read(
  archive: zipfile.ZipFile, path: pathlib.Path, info: zipfile.ZipInfo
) -> bytes:
  """Returns what a member of a zip holds; errors name it."""
  with damage_named(path, info.filename):
    return archive.read(info)


def open_folder(
  path: pathlib.Path, inside: str, max_unpacked: float = MAX_UNPACKED
) -> zipfile.Path:
  """Returns a folder of a zip, to be read without unpacking it.

  Args:
    path: The zip.
    inside: A folder at the zip's top level.
    max_unpacked: The most bytes the zip may claim to unpack to.

  Raises:
    ValueError: As `members`, or if the zip is broken.
  """
  with damage_named(path):
    archive = zipfile.ZipFile(path)
    for info in members(archive, path, inside, max_unpacked):
      # A member's own name must be that of the directory: one that is renamed
      # there would be missed without a word.
      with damage_named(path, info.filename):
        archive.open(info).close()
    return zipfile.Path(archive, f"{inside}/")
