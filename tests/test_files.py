"""Files are whole or absent, and errors name the file that was meant."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
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


_KILLED = """
import os, signal, sys
from gnn_readout import files
kind, path = sys.argv[1:]
kill = lambda *unused, **unused_too: os.kill(os.getpid(), signal.SIGKILL)
if kind == "file":
  os.fsync = kill
  files.atomic_write_bytes(path, b"after")
with files.atomic_directory(path) as folder:
  (folder / "a").write_text("after")
  if kind == "folder":
    kill()
  rename, files.shutil.rmtree = os.rename, kill
  def between(old, new):
    rename(old, new)
    kill()
  if kind == "between":
    os.rename = between
"""


@pytest.mark.parametrize("kind", ["file", "folder", "between", "late"])
def test_what_a_killed_writer_left_is_swept(tmp_path, kind):
  path = tmp_path / "x"
  if kind == "file":
    path.write_text("before")
  else:
    path.mkdir()
    (path / "a").write_text("before")
  command = [sys.executable, "-c", _KILLED, kind, str(path)]
  assert subprocess.run(command, timeout=600).returncode == -signal.SIGKILL
  names = {p.name for p in tmp_path.iterdir()}
  assert any(name.startswith(".x.tmp-") for name in names)
  if kind != "file":
    # What was there is there again, even if the next writer fails.
    with pytest.raises(ZeroDivisionError), files.atomic_directory(path):
      raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    expected = "after" if kind == "late" else "before"
    assert (path / "a").read_text() == expected
  else:
    files.atomic_write_text(path, "anew")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "anew"


def test_what_is_being_written_is_not_swept(tmp_path):
  path = tmp_path / "x"
  with files.atomic_directory(path) as slow:
    (slow / "a").write_text("slow")
    with files.atomic_directory(path) as fast:
      (fast / "a").write_text("fast")
    assert (path / "a").read_text() == "fast"
  assert (path / "a").read_text() == "slow"
  assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("[" * 100_000, "more than 50 levels deep"),
    ('{"a":' * 51 + "1" + "}" * 51, "more than 50 levels deep"),
    ('{"a": 1, "b": 2, "a": 1}', "an object has the field 'a' twice"),
    ("1" * 5000, "digits"),
    ("{", "line 1 column 2"),
    ("", "Expecting value"),
  ],
)
def test_what_is_no_json_of_ours(text, message):
  with pytest.raises(ValueError, match=message):
    files.parse_json(text)


def test_json_of_fifty_levels():
  text = "[" * 49 + "1" + "]" * 49
  assert files.parse_json(text) == json.loads(text)


def test_a_name_of_an_unknown_encoding_can_be_written(tmp_path):
  files.atomic_write_text(tmp_path / "x", "l\udcc3\udca4uf ä\n")
  text = (tmp_path / "x").read_text(encoding="utf-8")
  assert text == "l\\udcc3\\udca4uf ä\n"
