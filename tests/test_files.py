"""Files are whole or absent, and errors name the file that was meant."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile

import pytest

from gnn_readout import files


def _fail(code):
  def fail(*unused, **unused_too):
    raise OSError(code, os.strerror(code), "/a/temporary/file")

  return fail


def test_what_is_written_is_there_for_all_to_read(tmp_path):
  path = tmp_path / "new" / "folder" / "x.txt"
  for text in ("one\n", "zwei — 2\n"):
    files.atomic_write_text(path, text)
    assert path.read_text() == text
  umask = os.umask(0)
  os.umask(umask)
  assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
  assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_full_disk_leaves_the_previous_file(tmp_path, monkeypatch):
  path = tmp_path / "x.txt"
  files.atomic_write_text(path, "before")
  monkeypatch.setattr(files.os, "fsync", _fail(errno.ENOSPC))
  message = re.escape(f"No space left on device: '{path}'") + "$"
  with pytest.raises(OSError, match=message):
    files.atomic_write_text(path, "after")
  assert path.read_text() == "before"
  assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_file_is_no_folder(tmp_path):
  (tmp_path / "file").touch()
  path = tmp_path / "file" / "x.txt"
  with pytest.raises(NotADirectoryError, match=f"{path}"):
    files.atomic_write_text(path, "text")
  with (
    pytest.raises(NotADirectoryError, match=f"{path}"),
    files.atomic_directory(path),
  ):
    pass


def test_check_writable_leaves_nothing_but_the_folder(tmp_path):
  files.check_writable(tmp_path / "new" / "folder")
  assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_check_writable_says_why_not(tmp_path, monkeypatch, code):
  monkeypatch.setattr(tempfile, "mkstemp", _fail(code))
  message = f"cannot write to {tmp_path}: {os.strerror(code)}"
  with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
    files.check_writable(tmp_path)


def test_check_writable_refuses_a_file(tmp_path):
  (tmp_path / "file").touch()
  for folder in (tmp_path / "file", tmp_path / "file" / "run"):
    with pytest.raises(OSError, match=f"write to {folder}: Not a directory$"):
      files.check_writable(folder)


def test_naming_leaves_what_names_itself(tmp_path):
  for error in (OSError("7 bytes requested"), ValueError("no file")):
    with pytest.raises(type(error)) as caught, files.naming("x.txt"):
      raise error
    assert caught.value is error


def test_an_exception_leaves_the_previous_folder(tmp_path):
  path = tmp_path / "x"
  with files.atomic_directory(path) as folder:
    (folder / "a").write_text("before")
  with (
    pytest.raises(ZeroDivisionError),
    files.atomic_directory(path) as folder,
  ):
    (folder / "a").write_text("after")
    raise ZeroDivisionError
  assert [p.name for p in tmp_path.iterdir()] == ["x"]
  assert (path / "a").read_text() == "before"
  with files.atomic_directory(path) as folder:
    (folder / "b").touch()
  assert [p.name for p in path.iterdir()] == ["b"]
