"""Locks on folders."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from gnn_readout.runs import locks

_HERE = socket.gethostname()


def test_a_lock_has_one_holder(tmp_path):
  assert locks.holder(tmp_path) == "another process"
  lock = locks.try_lock(tmp_path)
  assert locks.try_lock(tmp_path) is None
  assert locks.holder(tmp_path) == f"process {os.getpid()} on {_HERE}"
  locks.sign(lock, 7)
  assert locks.holder(tmp_path) == f"process 7 on {_HERE}"
  os.close(lock)
  lock = locks.try_lock(tmp_path)
  assert lock is not None
  os.close(lock)
  with pytest.raises(OSError, match=r"none/\.lock"):
    locks.try_lock(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "x", "7", "7 a b", "x a", "\xff" * 2000])
def test_a_holder_that_cannot_be_read(tmp_path, text):
  (tmp_path / ".lock").write_bytes(text.encode("latin-1"))
  assert locks.holder(tmp_path) == "another process"


def test_a_second_holder_is_refused_in_one_line(tmp_path):
  folder = tmp_path / "new" / "run"
  with locks.hold(folder):
    with (
      pytest.raises(ValueError, match="in use") as error,
      locks.hold(folder),
    ):
      pytest.fail("it was let in")
    assert str(error.value) == (
      f"{folder} is in use by process {os.getpid()} on {_HERE}; wait until it"
      " ends, or choose another folder"
    )
  with locks.hold(folder):  # The block's end freed it.
    pass


def test_it_is_free_after_an_error(tmp_path):
  with pytest.raises(KeyError), locks.hold(tmp_path):
    raise KeyError
  with locks.hold(tmp_path):
    pass


def test_what_a_process_was_started_with_it_keeps(tmp_path, monkeypatch):
  lock = locks.try_lock(tmp_path)
  monkeypatch.setenv(locks.INHERITED, str(lock))
  for _ in range(2):
    with locks.hold(tmp_path):
      assert locks.try_lock(tmp_path) is None
  assert locks.try_lock(tmp_path) is None  # Still its own: not given back.
  os.close(lock)


def test_a_descriptor_of_something_else_opens_no_folder(tmp_path, monkeypatch):
  folder, other = tmp_path / "a", tmp_path / "b"
  folder.mkdir()
  other.mkdir()
  held, elsewhere = locks.try_lock(folder), locks.try_lock(other)
  anew = os.open(folder / ".lock", os.O_RDWR)  # The file, but not the lock.
  for number in (str(elsewhere), str(anew), "1000000", "x", ""):
    monkeypatch.setenv(locks.INHERITED, number)
    with pytest.raises(ValueError, match="in use"), locks.hold(folder):
      pytest.fail("it was let in")
  for descriptor in (held, elsewhere, anew):
    os.close(descriptor)


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
  def flock(lock, how):
    raise OSError(errno.ENOSYS, "Function not implemented")

  monkeypatch.setattr(locks.fcntl, "flock", flock)
  with locks.hold(tmp_path):
    assert locks.holder(tmp_path) == f"process {os.getpid()} on {_HERE}"


def test_a_folder_that_cannot_be_made(tmp_path):
  (tmp_path / "file").touch()
  with (
    pytest.raises(OSError, match="Not a directory: '.*/file/run'"),
    locks.hold(tmp_path / "file" / "run"),
  ):
    pytest.fail("it was let in")
