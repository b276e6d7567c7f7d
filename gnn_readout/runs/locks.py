"""Locks on folders, held by a process and freed by the system when it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator

from gnn_readout.files import naming

NAME = ".lock"

# Tells a child the number of the descriptor through which it holds a lock.
INHERITED = "GNN_READOUT_LOCK"

# What file systems answer that know no locks, as some of clusters do.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def hold(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Keeps every other process out of a folder while the block runs.

  A process that was started by `sweeps.pool` has the lock of its folder from
  its parent, by the descriptor that `INHERITED` names, and keeps it.

  Args:
    folder: Made if need be.

  Raises:
    ValueError: If another process holds the folder, or this one does by
      another call; the message names host and process.
    OSError: If the folder cannot be written.
  """
  with naming(folder):
    os.makedirs(folder, exist_ok=True)
  if _is_inherited(folder):
    yield
    return
  lock = try_lock(folder)
  if lock is None:
    raise ValueError(
      f"{folder} is in use by {holder(folder)}; wait until it ends, or choose"
      " another folder"
    )
  try:
    yield
  finally:
    os.close(lock)


def try_lock(folder: str | os.PathLike[str]) -> int | None:
  """Takes the lock of a folder, if nobody holds it.

  The lock lasts as long as any process has the descriptor open, so that a
  child that inherits it keeps the lock when its parent dies. On a file system
  that knows no locks everybody gets one.

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
      if not _take(lock):
        os.close(lock)
        return None
      sign(lock, os.getpid())
    except OSError:
      os.close(lock)
      raise
  return lock


def check_there(path: str | os.PathLike[str]) -> None:
  """Refuses to continue where a folder was deleted while a run was using it.

  Args:
    path: A file that the run has put there at its start.

  Raises:
    OSError: If the file is not there; the message names it.
  """
  if not os.path.exists(path):
    raise OSError(
      f"{path} was deleted while a run was using its folder: start the same"
      " command again"
    )


def sign(lock: int, pid: int) -> None:
  """Writes down which process of this host holds a lock, for `holder`."""
  os.ftruncate(lock, 0)
  os.pwrite(lock, f"{pid} {socket.gethostname()}\n".encode(), 0)


def holder(folder: str | os.PathLike[str]) -> str:
  """Returns such as `process 123 on HOST`; `another process` if unknown."""
  try:
    path = os.path.join(folder, NAME)
    with open(path, encoding="utf-8", errors="replace") as file:
      pid, host = file.read(1000).split()
      return f"process {int(pid)} on {host}"
  except (OSError, ValueError):
    return "another process"


def _take(lock: int) -> bool:
  """Locks an open file; returns whether that could be done."""
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    return False
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
  return True


def _is_inherited(folder: str | os.PathLike[str]) -> bool:
  """Whether this process was started with the lock of a folder."""
  try:
    lock = int(os.environ.get(INHERITED, ""))
    here, there = os.fstat(lock), os.stat(os.path.join(folder, NAME))
    # The number is passed on to children that do not have the descriptor: it
    # may be another file there, or this one opened anew.
    return os.path.samestat(here, there) and _take(lock)
  except (OSError, ValueError):
    return False
