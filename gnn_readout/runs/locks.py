"""Locks on folders, held by a process and freed by the system when it ends."""

from __future__ import annotations

import fcntl
import os

from gnn_readout.files import naming

NAME = ".lock"


def try_lock(folder: str | os.PathLike[str]) -> int | None:
  """Takes the lock of a folder, if nobody holds it.

  The lock lasts as long as any process has the descriptor open, so that a
  child that inherits it keeps the lock when its parent dies.

  Args:
    folder: It must exist; the lock is its file `.lock`, which stays.

  Returns:
    An open descriptor, or None if another process holds the lock.

  Raises:
    OSError: If the file cannot be opened for writing.
  """
  path = os.path.join(folder, NAME)
  with naming(path):
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      os.close(lock)
      return None
    except OSError:
      os.close(lock)
      raise
    sign(lock, os.getpid())
  return lock


def sign(lock: int, pid: int) -> None:
  """Writes down who holds a lock, for `holder`."""
  os.ftruncate(lock, 0)
  os.pwrite(lock, f"{pid}\n".encode(), 0)


def holder(folder: str | os.PathLike[str]) -> str:
  """Returns such as `process 123`, or `another process` if it is not known."""
  try:
    with open(os.path.join(folder, NAME)) as file:
      return f"process {int(file.read())}"
  except (OSError, ValueError):
    return "another process"
