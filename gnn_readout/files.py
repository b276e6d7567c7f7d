"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
  """Makes every OSError of the block name `path`, whatever file it met."""
  try:
    yield
  except OSError as error:
    code = error.errno
    if code is None:  # Not of the system: it says itself what it is about.
      raise
    if code == errno.EEXIST:  # A file stands where a folder should.
      code = errno.ENOTDIR
    raise OSError(code, os.strerror(code), str(path)) from error


def check_writable(folder: str | os.PathLike[str]) -> None:
  """Makes `folder` if need be and writes a file there, which it deletes.

  Raises:
    OSError: If that cannot be done.
  """
  probe = pathlib.Path(folder) / ".writable"
  try:
    atomic_write_bytes(probe, b"")
    probe.unlink()
  except OSError as error:
    raise OSError(f"cannot write to {folder}: {error.strerror}") from error


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
  """Writes `data` to `path`, or leaves what was there untouched."""
  path = pathlib.Path(path)
  with naming(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
      with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
      umask = os.umask(0)
      os.umask(umask)
      os.chmod(name, 0o666 & ~umask)  # mkstemp makes the file private.
      os.replace(name, path)
    except BaseException:
      with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
      raise


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes `text` as UTF-8 to `path`, whole or not at all."""
  atomic_write_bytes(path, text.encode())


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a temporary folder that becomes `path` when the block succeeds.

  An existing folder at `path` is replaced; on an exception it stays.
  """
  path = pathlib.Path(path)
  with naming(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(
      tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
    )
  umask = os.umask(0)
  os.umask(umask)
  work.chmod(0o777 & ~umask)
  old = path.with_name(f".{path.name}.old-{os.getpid()}")
  try:
    yield work
    if path.is_dir():
      os.rename(path, old)
    os.rename(work, path)
  except BaseException:
    shutil.rmtree(work, ignore_errors=True)
    if old.exists() and not path.exists():
      os.rename(old, path)
    raise
  shutil.rmtree(old, ignore_errors=True)
