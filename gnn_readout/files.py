"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from gnn_readout.errors import quoted

_DEEPEST = 50  # Levels of a JSON document; a config has five.


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
  """Writes `data` to `path`, or leaves what was there untouched.

  What a killed writer of the same file has left is deleted.
  """
  path = pathlib.Path(path)
  with naming(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    handle, name = _locked(
      lambda: tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
    )
    try:
      with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes the file private.
        os.replace(name, path)
    except BaseException:
      with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
      raise


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes `text` as UTF-8 to `path`, whole or not at all.

  What UTF-8 lacks, such as a file's name in an unknown encoding, is written in
  ASCII.
  """
  atomic_write_bytes(path, text.encode(errors="backslashreplace"))


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a temporary folder that becomes `path` when the block succeeds.

  An existing folder at `path` is replaced; on an exception it stays. What a
  killed writer of the same folder has left is deleted.
  """
  path = pathlib.Path(path)

  def make() -> tuple[int, str]:
    name = tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent)
    return os.open(name, os.O_RDONLY), name

  with naming(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    handle, name = _locked(make)
  work = pathlib.Path(name)
  old = path.with_name(f"{_prefix(path)}old-{os.getpid()}")
  try:
    work.chmod(0o777 & ~_umask())
    yield work
    with naming(path):
      if path.is_dir():
        os.rename(path, old)
      os.rename(work, path)
  except BaseException:
    shutil.rmtree(work, ignore_errors=True)
    if old.exists() and not path.exists():
      os.rename(old, path)
    raise
  finally:
    os.close(handle)
  shutil.rmtree(old, ignore_errors=True)


def read_text(path: str | os.PathLike[str]) -> str:
  """Returns the text of a file of UTF-8, whatever the locale."""
  return pathlib.Path(path).read_text(encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
  """Returns what a JSON file holds.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: As `parse_json`; the message leaves the file to be named.
  """
  return parse_json(read_text(path))


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the object in a JSON file.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: As `parse_json`, or it holds something else.
  """
  value = read_json(path)
  if not isinstance(value, dict):
    raise ValueError("it holds no JSON object")
  return value


def parse_json(text: str) -> Any:
  """Returns what a JSON text holds.

  Raises:
    ValueError: It is none, an object has a field twice, or it is nested deeper
      than anything of this program.
  """
  too_deep = f"it is nested more than {_DEEPEST} levels deep"
  try:
    value = json.loads(text, object_pairs_hook=_once)
  except RecursionError:
    raise ValueError(too_deep) from None
  level = [value]
  for _ in range(_DEEPEST):
    holders = [x for x in level if isinstance(x, (dict, list))]
    level = [
      inner
      for x in holders
      for inner in (x.values() if isinstance(x, dict) else x)
    ]
  if level:
    raise ValueError(too_deep)
  return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  fields: dict[str, Any] = {}
  for name, value in pairs:
    if name in fields:
      raise ValueError(f"an object has the field {quoted(name)} twice")
    fields[name] = value
  return fields


def _prefix(path: pathlib.Path) -> str:
  """Returns how the names of unfinished files and folders of `path` begin."""
  return f".{path.name[:50]}.tmp-"


def _umask() -> int:
  umask = os.umask(0)
  os.umask(umask)
  return umask


def _locked(make: Any) -> tuple[int, str]:
  """Returns an open file or folder and its name, locked while it is open."""
  while True:
    handle, name = make()
    with contextlib.suppress(OSError):  # Not every file system knows locks.
      fcntl.flock(handle, fcntl.LOCK_EX)
    if os.path.exists(name):  # Else somebody swept before the lock was there.
      return handle, name
    os.close(handle)


def _sweep(path: pathlib.Path) -> None:
  """Deletes what killed writers of `path` left beside it."""
  with os.scandir(path.parent) as entries:
    left = [e.path for e in entries if e.name.startswith(_prefix(path))]
  for name in left:
    pid = name.rpartition(".tmp-old-")[2]
    if not pid.isdecimal():
      _delete_unless_locked(name)
    elif not _is_alive(int(pid)):  # What was at `path` before.
      if path.exists():
        _delete(name)
      else:
        os.rename(name, path)


def _delete_unless_locked(name: str) -> None:
  """Deletes a file or folder that nobody is at work on."""
  with contextlib.suppress(OSError):
    handle = os.open(name, os.O_RDONLY)
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
      _delete(name)
    finally:
      os.close(handle)


def _delete(name: str) -> None:
  if os.path.isdir(name):
    shutil.rmtree(name, ignore_errors=True)
  else:
    os.unlink(name)


def _is_alive(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except (ProcessLookupError, OverflowError):
    return False
  except OSError:  # Another user's.
    pass
  return True
