"""A dataset is converted once, whatever becomes of what was written."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from gnn_readout.data import caching, store
from tests.data.full_disk import fill_the_disk
from tests.data.test_store import assert_same, make_store

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
  ("old", "new"),
  [
    ('"metric": "ap"', '"metric": "rocauc"'),
    ('"b"', '"c"'),
    ('"num_classes": 0', '"num_classes": 2'),
    ('"symmetric": false', '"symmetric": true'),
    ('"split_train"', '"split_trail"'),
  ],
)
def test_the_metadata_has_a_checksum(tmp_path, caplog, old, new):
  caching.cached(tmp_path, "key", "1", make_store)
  file = tmp_path / "key" / "meta.json"
  text = file.read_text()
  assert text.count(old) == 1
  file.write_text(text.replace(old, new))
  with pytest.raises(ValueError, match="meta.json: corrupt: its checksum"):
    store.open_store(tmp_path / "key")
  assert_same(caching.cached(tmp_path, "key", "1", make_store), make_store())
  assert file.read_text() == text
  assert "corrupt" in caplog.messages[-1]


_KILLED = """
import os, signal, sys
import numpy as np
from tests.data.test_store import make_store
from gnn_readout.data import caching
save, count = np.save, iter(range(9))
def dying(*args, **kwargs):
  if next(count) == 4:
    os.kill(os.getpid(), signal.SIGKILL)
  save(*args, **kwargs)
np.save = dying
caching.cached(sys.argv[1], "key", "1", make_store)
"""


def test_a_killed_conversion_leaves_nothing_for_long(tmp_path):
  command = [sys.executable, "-c", _KILLED, str(tmp_path)]
  done = subprocess.run(command, cwd=ROOT, timeout=600)
  assert done.returncode == -signal.SIGKILL
  (left,) = tmp_path.iterdir()
  assert len(list(left.iterdir())) == 4
  assert_same(caching.cached(tmp_path, "key", "1", make_store), make_store())
  assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_fingerprint_follows_the_size(tmp_path):
  file = tmp_path / "a"
  file.write_text("1")
  before = caching.fingerprint_of([file])
  assert before == caching.fingerprint_of([file])
  file.write_text("12")
  assert before != caching.fingerprint_of([file])


class Builder:
  """Builds a store and counts how often."""

  def __init__(self):
    self.count = 0

  def __call__(self) -> store.GraphStore:
    self.count += 1
    return make_store()


def test_cached_builds_once_per_fingerprint(tmp_path):
  build = Builder()
  for fingerprint, count in (("1", 1), ("1", 1), ("2", 2), ("2", 2)):
    opened = caching.cached(tmp_path, "key", fingerprint, build)
    assert build.count == count
    assert_same(opened, make_store())
    assert not opened.nodes.flags.writeable


@pytest.mark.parametrize("damage", ["truncate", "flip", "version"])
def test_cached_rebuilds_a_damaged_cache(tmp_path, caplog, damage):
  build = Builder()
  caching.cached(tmp_path, "key", "1", build)
  file = tmp_path / "key" / "nodes.npy"
  if damage == "version":
    file = tmp_path / "key" / "meta.json"
    meta = json.loads(file.read_text())
    meta["schema_version"] = -1
    file.write_text(json.dumps(meta))
  else:
    data = file.read_bytes()
    changed = data[:-1] + bytes([data[-1] ^ 1])
    file.write_bytes(data[:-3] if damage == "truncate" else changed)
  caplog.clear()
  opened = caching.cached(tmp_path, "key", "1", build)
  assert build.count == 2
  assert_same(opened, make_store())
  # That another program made it is nothing to be warned of.
  warned = [] if damage == "version" else [True]
  assert [str(file) in line for line in caplog.messages] == warned
  caching.cached(tmp_path, "key", "1", build)
  assert build.count == 2


def test_cached_goes_on_in_memory_when_the_disk_is_full(
  tmp_path, caplog, monkeypatch
):
  fill_the_disk(monkeypatch, after=2)
  opened = caching.cached(tmp_path, "key", "1", make_store)
  assert_same(opened, make_store())
  assert "Cannot write the cache" in caplog.messages[-1]
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["file", "file/below", ""])
def test_cached_goes_on_in_memory_where_no_folder_can_be(
  tmp_path, caplog, folder
):
  for name in ("file", "key"):
    (tmp_path / name).write_text("mine")
  opened = caching.cached(tmp_path / folder, "key", "1", make_store)
  assert_same(opened, make_store())
  assert len(caplog.messages) == 1
  assert "Cannot write the cache" in caplog.messages[0]
  assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "key"]
  for name in ("file", "key"):
    assert (tmp_path / name).read_text() == "mine"


def test_cached_passes_on_errors_of_the_source(tmp_path):
  def build():
    raise ValueError("node-feat.csv.gz: row 7")

  with pytest.raises(ValueError, match="row 7"):
    caching.cached(tmp_path, "key", "1", build)
  assert list(tmp_path.iterdir()) == []
