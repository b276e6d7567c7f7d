"""Zip files, looked at as a whole before any of them is used."""

from __future__ import annotations

import contextlib
import lzma
import pathlib
import stat
import zipfile
import zlib
from collections.abc import Iterator

MAX_UNPACKED = 4 << 30


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
      f"{path} would unpack to {total:,} bytes, more than the "
      f"{max_unpacked:,.0f} allowed: raise --max_unpacked_gb if you trust it."
    )
  for info in infos:
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
      raise ValueError(f"{path} holds {name!r}, no file or folder: refused.")
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
      raise ValueError(f"{path} holds {name!r}, out of its folder: refused.")
  found = [m for m in infos if m.filename.startswith(f"{inside}/")]
  if not found:
    tops = sorted({info.filename.split("/")[0] for info in infos})
    raise ValueError(
      f"{path} holds no folder {inside!r} but {', '.join(tops) or 'nothing'}."
    )
  return found


@contextlib.contextmanager
def damage_named(path: pathlib.Path) -> Iterator[None]:
  """Turns the errors of a broken zip into a ValueError that names it."""
  try:
    yield
  except (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
  ) as error:
    raise ValueError(
      f"{path} is not a whole, readable zip ({error}): delete it and run the "
      "same command again."
    ) from error


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
      archive.open(info).close()
    return zipfile.Path(archive, f"{inside}/")
