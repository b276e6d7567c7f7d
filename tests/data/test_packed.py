"""A dataset as one file: the same columns, checked, and nothing else needed."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data import packed

ROOT = pathlib.Path(__file__).parents[2]
ROWS = [f"{'C' * (i % 5 + 1)}{'N' * (i % 3)},{i % 2}" for i in range(23)]


@pytest.fixture
def table(tmp_path) -> pathlib.Path:
  path = tmp_path / "here" / "mine.csv"
  path.parent.mkdir()
  path.write_text("\n".join(["smiles,y", *ROWS, ""]))
  return path


@pytest.fixture
def moved(table, tmp_path) -> str:
  """The name of a dataset of which there is the packed file alone."""
  file = data.pack(str(table), cache_dir=tmp_path / "cache")
  there = tmp_path / "there" / file.name
  there.parent.mkdir()
  file.rename(there)
  return str(there).removesuffix(packed.SUFFIX)


def _assert_same(a, b):
  assert a.schema == b.schema
  plain = ("node_offsets", "edge_offsets", "nodes", "edges", "senders")
  plain += ("receivers", "labels", "splits", "rows")
  columns = [{name: getattr(x, name) for name in plain} for x in (a, b)]
  jax.tree.map(np.testing.assert_array_equal, *columns)
  for name, texts in a.texts.items():
    assert list(texts) == list(b.texts[name])


def test_columns_come_back_as_they_were(table, moved, tmp_path):
  expected = data.load(str(table), cache_dir=tmp_path / "cache")
  assert expected.num_graphs == 23 and expected.texts
  for _ in range(2):  # From the file, then from the cache.
    found = data.load(moved, cache_dir=tmp_path / "there" / "cache")
    _assert_same(found, expected)


def test_the_source_itself_comes_first(table, tmp_path):
  data.pack(str(table), cache_dir=tmp_path / "cache")
  table.write_text("\n".join(["smiles,y", *ROWS, "CCCC,1", ""]))
  assert data.load(str(table), cache_dir=tmp_path / "cache").num_graphs == 24


def test_equal_columns_make_equal_files(table, tmp_path):
  files = [
    data.pack(str(table), cache_dir=tmp_path / name).read_bytes()
    for name in ("one", "two")
  ]
  assert files[0] == files[1]


def test_other_options_are_refused(moved, tmp_path):
  with pytest.raises(ValueError, match=r"with the options \{\}, not .*rocauc"):
    data.load(moved, cache_dir=tmp_path / "there", metric="rocauc")


def _cut(file):
  file.write_bytes(file.read_bytes()[:-100])


def _flip(file):
  """Changes a byte in the middle of the compressed nodes."""
  with zipfile.ZipFile(file) as archive:
    info = archive.getinfo("columns/nodes.npy")
  content = bytearray(file.read_bytes())
  content[info.header_offset + 60 + info.compress_size // 2] ^= 255
  file.write_bytes(content)


def _other_column(file):
  """Replaces a column by another one of the same size, with its zip's sum."""
  with zipfile.ZipFile(file) as archive:
    members = {x.filename: archive.read(x) for x in archive.infolist()}
  name = "columns/labels.npy"
  members[name] = members[name][:-4] + np.float32(3).tobytes()
  with zipfile.ZipFile(file, "w") as archive:
    for member, content in members.items():
      archive.writestr(member, content)


@pytest.mark.parametrize(
  ("spoil", "reason"),
  [
    (_cut, "not a complete, readable zip"),
    (_flip, "not a complete, readable zip"),
    (_other_column, "labels.npy: corrupt: its checksum does not match"),
  ],
)
def test_damage_is_named(moved, tmp_path, spoil, reason):
  file = pathlib.Path(f"{moved}{packed.SUFFIX}")
  spoil(file)
  with pytest.raises(ValueError, match=f"(?s){file} is damaged.*{reason}"):
    data.load(moved, cache_dir=tmp_path / "there" / "cache")


def test_it_is_opened_without_what_made_it(data_dir, tmp_path):
  dataset = "ogbg-molbace"
  store = data.load(dataset, data_dir)
  file = packed.path_of(data.sources.find(dataset), dataset, tmp_path)
  packed.write(store, file, {})
  code = f"""
import sys
for name in ("rdkit", "ogb", "tensorflow", "torch", "pandas"):
  sys.modules[name] = None
from gnn_readout import data
store = data.load({dataset!r}, {str(tmp_path)!r}, {str(tmp_path / "cache")!r})
print(store.num_graphs, len(store.nodes), store.schema.name)
"""
  done = subprocess.run(
    [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  expected = f"{store.num_graphs} {len(store.nodes)} {store.schema.name}"
  assert done.stdout.strip() == expected


def test_the_binary_packs_what_is_there(table, tmp_path):
  done = subprocess.run(
    [
      *(sys.executable, "-m", "launch.download", "--pack"),
      *(f"--dataset={table}", f"--cache_dir={tmp_path / 'cache'}"),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith(f"packed as {table}{packed.SUFFIX}, 0.0 MB")
