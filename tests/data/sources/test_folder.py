"""The folder of a store as a dataset, and what is wrong with one."""

from __future__ import annotations

import json
import os
import zlib

import numpy as np
import pytest

from configs import graphs as graphs_config
from gnn_readout import data
from gnn_readout.data import sources
from gnn_readout.data.store import open_store
from gnn_readout.runs import settings
from tests.data.own import graphs

GRAPHS = graphs.draw()


@pytest.fixture
def folder(tmp_path):
  path = tmp_path / "mine"
  data.from_arrays(path, **graphs.arrays(GRAPHS), undirected=True)
  return path


def test_a_folder_is_a_dataset_by_its_path(folder, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in (
    str(folder),
    f"{folder}/",
    "mine",
    "./mine",
    "../" + str(tmp_path.name) + "/mine",
  ):
    assert sources.is_path(name), name
    assert sources.short_name(name) == "mine"
    store = data.load(name, cache_dir=tmp_path / "cache")
    assert store.num_graphs == len(GRAPHS)
  assert not (tmp_path / "cache").exists()  # It needs no conversion.
  assert not sources.is_path("tu/MUTAG")
  assert not sources.is_path("ogbg-molhiv")


def test_where_it_is_decides_nothing(folder, monkeypatch):
  config = settings.as_json(graphs_config.get_config())
  whole = settings.located(config | {"dataset": str(folder)})
  assert whole["dataset"] == str(folder)
  short = settings.without_folder(whole)
  assert short["dataset"] == "mine"
  assert settings.without_folder(short) == short
  assert settings.config_hash(whole) == settings.config_hash(short)
  monkeypatch.chdir(folder.parent)
  assert settings.located(config | {"dataset": "mine"}) == whole


def test_folders_that_are_none(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"/nowhere: no such folder$"):
    data.load(str(tmp_path / "nowhere"))
  with pytest.raises(FileNotFoundError, match=r"\./x: no such folder in /"):
    data.load("./x")
  with pytest.raises(ValueError, match="as it has no meta.json; gnn_read"):
    data.load(str(tmp_path))


def rewrite(folder, change):
  """Changes what meta.json says, with the checksum that belongs to it."""
  file = folder / "meta.json"
  meta = json.loads(file.read_text())
  change(meta)
  del meta["crc32"]
  text = json.dumps(meta, sort_keys=True).encode()
  file.write_text(json.dumps(meta | {"crc32": zlib.crc32(text)}))


def replace(folder, name, array):
  """Writes another column, of which meta.json knows."""
  file = folder / f"{name}.npy"
  np.save(file, array)

  def change(meta):
    meta["columns"][name] = {
      "dtype": str(array.dtype),
      "shape": list(array.shape),
      "bytes": file.stat().st_size,
      "crc32": zlib.crc32(file.read_bytes()),
    }

  rewrite(folder, change)


def shorter(store, name):
  return name, getattr(store, name)[:-1]


BAD = {
  "labels": (
    lambda s: shorter(s, "labels"),
    r"labels: \(10, 1\), expected \(11, 1\) \(10 rows against 11\)",
  ),
  "nodes": (
    lambda s: shorter(s, "nodes"),
    r"node features: \((\d+), 3\), expected \(\d+, 3\) \(\1 rows against \d+\)",
  ),
  "edges": (lambda s: shorter(s, "edges"), "edge features: .* rows against"),
  "senders": (lambda s: shorter(s, "senders"), r"senders: \d+, expected"),
  "edge_offsets": (
    lambda s: ("edge_offsets", s.edge_offsets[:-1]),
    r"edge counts: 10, expected 11",
  ),
  "columns of nodes": (
    lambda s: ("nodes", s.nodes[:, :2]),
    r"node features: \(\d+, 2\), expected \(\d+, 3\)$",
  ),
  "receivers": (
    lambda s: ("receivers", s.receivers + 5),
    "an edge of graph 0 joins nodes .* they are numbered from 0 to",
  ),
  "NaN": (
    lambda s: ("nodes", np.where(np.arange(3) == 1, np.nan, s.nodes)),
    "feature 1 of node 0 of graph 0 is nan, expected a finite number",
  ),
  "split": (
    lambda s: ("split_test", np.array([11], np.int32)),
    "the split 'test' names graph 11, but the dataset has 11 graphs",
  ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD)
def test_columns_that_do_not_fit_are_named(folder, change, words):
  replace(folder, *change(open_store(folder)))
  with pytest.raises(ValueError, match=words) as caught:
    data.load(str(folder))
  assert str(caught.value).startswith(f"{folder}: ")


def test_a_column_that_is_missing_or_unknown_is_named(folder):
  rewrite(folder, lambda meta: meta["columns"].pop("senders"))
  with pytest.raises(ValueError, match="meta.json: .*has no column 'senders'"):
    data.load(str(folder))
  rewrite(folder, lambda meta: meta["columns"].update(senders=1, sendres=2))
  with pytest.raises(
    ValueError, match="unknown column 'sendres'. Did you mean"
  ):
    data.load(str(folder))


def test_a_file_that_is_missing_or_damaged_is_named(folder):
  os.rename(folder / "edges.npy", folder / "edges.old")
  with pytest.raises(ValueError, match=r"edges\.npy: no such file, but meta"):
    data.load(str(folder))
  os.rename(folder / "edges.old", folder / "edges.npy")
  bits = bytearray((folder / "labels.npy").read_bytes())
  bits[-1] ^= 1
  (folder / "labels.npy").write_bytes(bits)
  with pytest.raises(ValueError, match=r"labels\.npy: corrupt"):
    data.load(str(folder))


def test_a_folder_is_packed_and_opened_elsewhere(folder, tmp_path):
  file = data.pack(f"{folder}/", tmp_path)
  assert file == tmp_path / "mine.columns.zip"
  elsewhere = tmp_path / "elsewhere"
  elsewhere.mkdir()
  os.rename(file, elsewhere / file.name)
  store = data.load(str(elsewhere / "mine"), cache_dir=tmp_path / "cache")
  np.testing.assert_array_equal(store.nodes, open_store(folder).nodes)


def test_a_fold_of_what_is_split_is_refused(folder):
  config = graphs_config.get_config()
  config.update(dataset=str(folder), fold=3)
  with pytest.raises(
    ValueError, match="fold=3 cannot be used: .*mine has its own"
  ):
    data.load_config(config)
