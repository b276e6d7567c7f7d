"""`load` finds, converts and caches a dataset."""

from __future__ import annotations

import os
import pathlib
import shutil

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import demo, molecules, smiles
from tests.work import lines_of_python

CSV = "smiles,y\n" + "".join(f"{'C' * (i + 1)},{i % 2}\n" for i in range(13))


@pytest.fixture
def csv_file(tmp_path) -> pathlib.Path:
  path = tmp_path / "mine.csv"
  path.write_text(CSV)
  return path


@pytest.fixture
def calls(monkeypatch) -> list[dict]:
  """The options of every reading of a CSV file."""
  calls, read = [], smiles.read_csv

  def counting(path, **options):
    calls.append(options)
    return read(path, **options)

  monkeypatch.setattr(smiles, "read_csv", counting)
  return calls


def test_csv_is_converted_once(csv_file, tmp_path, calls):
  for _ in range(2):
    store = data.load(str(csv_file), cache_dir=tmp_path / "cache")
    assert store.num_graphs == 13
    assert len(calls) == 1


def test_csv_is_converted_again_when_it_changes(csv_file, tmp_path, calls):
  data.load(str(csv_file), cache_dir=tmp_path / "cache")
  csv_file.write_text(CSV + "N,1\n")
  store = data.load(str(csv_file), cache_dir=tmp_path / "cache")
  assert store.num_graphs == 14
  assert len(calls) == 2


def test_options_reach_the_reader_and_have_their_own_cache(
  csv_file, tmp_path, calls
):
  for options in ({}, {"metric": "rocauc"}) * 2:
    store = data.load(str(csv_file), cache_dir=tmp_path / "cache", **options)
    assert store.schema.metric == options.get("metric", "ap")
  assert calls == [{}, {"metric": "rocauc"}]


def test_equal_names_do_not_share_a_cache(csv_file, tmp_path, calls):
  other = tmp_path / "other" / "mine.csv"
  other.parent.mkdir()
  other.write_text(CSV + "N,1\n")
  for path, graphs in ((csv_file, 13), (other, 14)) * 2:
    store = data.load(str(path), cache_dir=tmp_path / "cache")
    assert store.num_graphs == graphs
  assert len(calls) == 2


def test_folders_come_from_the_environment(csv_file, tmp_path, monkeypatch):
  monkeypatch.setenv("GNN_READOUT_CACHE", str(tmp_path / "here"))
  data.load(str(csv_file))
  assert len(list((tmp_path / "here").iterdir())) == 1
  monkeypatch.setenv("GNN_READOUT_DATA", str(tmp_path / "there"))
  with pytest.raises(FileNotFoundError, match="there/ogb/ogbg_molhiv/raw"):
    data.load("ogbg-molhiv")
  monkeypatch.delenv("GNN_READOUT_DATA")
  monkeypatch.chdir(tmp_path)
  with pytest.raises(FileNotFoundError, match="data/ogb/ogbg_molhiv/raw"):
    data.load("ogbg-molhiv")


def test_demo(tmp_path, monkeypatch):
  made = []

  def make_demo(**options):
    made.append(options)
    return smiles.smiles_to_store(
      "demo", ["C", "N"], np.zeros((2, 1)), ["y"], {"train": np.array([0])}
    )

  monkeypatch.setattr(demo, "make_demo", make_demo)
  for _ in range(2):
    assert data.load("demo", cache_dir=tmp_path).num_graphs == 2
  assert made == [{}]


@pytest.mark.parametrize(
  ("dataset", "words"),
  [
    ("ogbg-molhvi", "Did you mean 'ogbg-molhiv'"),
    ("ogbg-ppa", "unknown OGB molecule dataset 'ogbg-ppa'"),
    ("demmo", "Did you mean 'demo'"),
    ("molpcba", "Did you mean 'ogbg-molpcba'"),
  ],
)
def test_unknown_dataset_gets_a_suggestion(tmp_path, dataset, words):
  with pytest.raises(ValueError, match=words):
    data.load(dataset, tmp_path, tmp_path)


def test_missing_csv(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"mine.csv: no such file"):
    data.load(str(tmp_path / "mine.csv"), cache_dir=tmp_path)


def test_damaged_source_leaves_no_cache(tmp_path, csv_file):
  csv_file.write_text(CSV + "C1CC,1\n")
  with pytest.raises(ValueError, match="row"):
    data.load(str(csv_file), cache_dir=tmp_path / "cache")
  assert not (tmp_path / "cache").exists()


def test_real_data_is_read_without_a_loop_over_molecules(data_dir, tmp_path):
  stores = []

  def load():
    stores.append(data.load("ogbg-molhiv", data_dir, tmp_path))

  cold, warm = lines_of_python(load), lines_of_python(load)
  np.testing.assert_array_equal(stores[0].receivers, stores[1].receivers)
  assert cold < 2 * stores[0].num_graphs
  assert warm < cold
  assert warm < stores[0].num_graphs


def test_a_touched_source_is_read_again(data_dir, tmp_path, monkeypatch):
  name = "ogbg-moltox21"
  copy = molecules.ogb_folder(name, tmp_path)
  shutil.copytree(molecules.ogb_folder(name, data_dir), copy)
  calls, read = [], molecules.read_ogb

  def counting(*args):
    calls.append(args)
    return read(*args)

  monkeypatch.setattr(molecules, "read_ogb", counting)
  for count in (1, 1):
    data.load(name, tmp_path, tmp_path / "cache")
    assert len(calls) == count
  os.utime(copy / "raw" / "edge.csv.gz", ns=(0, 0))
  data.load(name, tmp_path, tmp_path / "cache")
  assert len(calls) == 2
