"""Without a home, in any locale, on a full disk."""

from __future__ import annotations

import ast
import errno
import os
import pathlib
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from gnn_readout import files, records
from gnn_readout.data import folders, folds
from gnn_readout.data.sources import download
from gnn_readout.report import markup
from gnn_readout.runs import locks, log, settings
from gnn_readout.training.evaluation import Evaluation, Predictions
from tests.data.test_store import make_store
from tests.test_records import FACTS

ROOT = pathlib.Path(__file__).parents[1]
_SOURCES = sorted(
  path
  for folder in ("gnn_readout", "launch", "configs", "benchmarks")
  for path in (ROOT / folder).rglob("*.py")
)
# What opens files to write besides `files`: folders that are renamed when they
# are whole, logs, parts of downloads, and what nobody is to read.
_WRITERS = {
  "gnn_readout/data/sources/download.py",
  "gnn_readout/data/sources/standin.py",
  "gnn_readout/data/store.py",
  "gnn_readout/files.py",
  "gnn_readout/runs/log.py",
  "gnn_readout/runs/processes.py",
  "gnn_readout/sweeps/pool.py",
}
# Whose `open` is none of text files.
_OTHERS = ("Image", "archive", "files", "opener", "os")


class _Opening(NamedTuple):
  """A call that opens a file: where, of what, how, and in which encoding."""

  place: str
  name: str
  owner: str
  mode: str
  encoding: bool


def _openings(path: pathlib.Path) -> Iterator[_Opening]:
  for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
    if not isinstance(node, ast.Call):
      continue
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    owner = ast.unparse(getattr(node.func, "value", ast.Constant("")))
    if name not in ("open", "fdopen", "read_text", "write_text", "write_bytes"):
      continue
    parts = [part for x in node.args for part in ast.walk(x)]
    words = [part.value for part in parts if isinstance(part, ast.Constant)]
    modes = [x for x in words if re.fullmatch("[rwaxbt+]{1,3}", str(x))]
    keywords = {keyword.arg for keyword in node.keywords}
    yield _Opening(
      f"{path.relative_to(ROOT)}:{node.lineno}",
      name,
      owner,
      "".join(modes),
      "encoding" in keywords,
    )


def test_every_text_file_is_utf8():
  opened = [x for path in _SOURCES for x in _openings(path)]
  text = [
    x
    for x in opened
    if x.owner not in _OTHERS
    and "b" not in x.mode
    and x.name != "write_bytes"
    and (x.owner != "gzip" or "t" in x.mode)
    # Without an owner `read_text` is that of `files`.
    and (x.owner != "''" or x.name == "open")
  ]
  assert len(text) > 5  # A search that finds nothing would pass.
  assert not [x for x in text if not x.encoding]


def test_only_few_modules_open_files_to_write():
  writing = {
    x.place.partition(":")[0]
    for path in _SOURCES
    for x in _openings(path)
    if x.name.startswith("write") or {"w", "a", "x"} & {*x.mode}
    if x.owner != "archive"  # In memory.
  }
  assert writing == _WRITERS


def _python(code: str, *args: str, **variables: str):
  env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
  return subprocess.run(
    [sys.executable, "-c", code, *args],
    env=env,
    cwd=ROOT,
    capture_output=True,
    timeout=600,
  )


_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
_NOBODY = """
import os, pwd
def nobody(unused): raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = nobody
assert "HOME" not in os.environ
"""


def test_a_readme_is_the_same_in_an_ascii_locale(tmp_path):
  path = tmp_path / "README.md"
  path.write_text("# Ergebnisse — größer\n", encoding="utf-8")
  code = """
import locale, sys
assert locale.getpreferredencoding(False).lower() in ("ascii", "ansi_x3.4-1968")
from gnn_readout.report import markup
markup.write_section(sys.argv[1], "t", "0.5 \\u00b1 0.1")
"""
  done = _python(code, str(path), **_ASCII)
  assert done.returncode == 0, done.stderr.decode()
  assert path.read_text(encoding="utf-8") == (
    "# Ergebnisse — größer\n\n<!-- t:begin -->\n0.5 ± 0.1\n<!-- t:end -->\n"
  )


def test_without_home_and_user_there_is_a_cache(tmp_path):
  code = f"{_NOBODY}\nfrom gnn_readout.data import folders\n"
  code += "print(folders.cache_folder())"
  done = _python(code, TMPDIR=str(tmp_path))
  assert done.returncode == 0, done.stderr.decode()
  folder = pathlib.Path(done.stdout.decode().strip())
  assert folder == tmp_path / f"gnn_readout-{os.getuid()}"


def test_the_cache_is_at_home(monkeypatch):
  monkeypatch.delenv("GNN_READOUT_CACHE", raising=False)
  monkeypatch.setenv("HOME", "/somewhere")
  assert str(folders.cache_folder()) == "/somewhere/.cache/gnn_readout"


def test_a_folder_that_the_locale_cannot_spell(tmp_path):
  with pytest.raises(ValueError, match="cannot be encoded in this locale"):
    settings.check_workdir(tmp_path / "l\udcc3\udca4uf", {})
  assert list(tmp_path.iterdir()) == []


def _predictions(path):
  schema = make_store().schema
  columns = np.zeros((3, schema.num_tasks), np.float32)
  predictions = Predictions(np.arange(3), columns, columns)
  found = Evaluation("d", "test", "ap", 1, None, predictions, None, schema)
  return found.write_predictions(path)


def _metrics(path):
  with log.MetricsLog(path.parent, 0, tensorboard=False) as written:
    written.write(1, {"loss": 1.0})


# All that writes, with the file it writes.
WRITERS = {
  "record.json": lambda path: records.write(path.parent, FACTS),
  "predictions.npz": _predictions,
  "metrics.jsonl": _metrics,
  "README.md": lambda path: markup.write_section(path, "t", "text"),
  "folds.json": lambda path: folds.keep_folds(path, make_store(), 2, 0),
  "downloads.json": lambda path: download._remember(
    path, "u", path.parent / "f"
  ),
  "cache": lambda path: make_store().save(path),
  ".lock": lambda path: locks.try_lock(path.parent),
  "text": lambda path: files.atomic_write_text(path, "text"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_that_names_the_file(name, tmp_path):
  (tmp_path / "f").write_text("f")
  before = {path.name for path in tmp_path.iterdir()}
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
  try:
    with pytest.raises(OSError) as error:
      WRITERS[name](tmp_path / name)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  text = str(error.value)
  assert str(tmp_path) in text and "\n" not in text
  assert os.strerror(errno.EFBIG) in text
  left = {path.name for path in tmp_path.iterdir()} - before
  assert left <= {".lock", "metrics.jsonl"}
