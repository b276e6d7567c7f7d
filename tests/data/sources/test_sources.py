"""Each kind of dataset is one row of a table; a new one is a row more."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

from configs import molpcba, tu
from gnn_readout import config_fields, data
from gnn_readout.data import sources
from gnn_readout.data.building import build_store
from gnn_readout.data.sources.base import Archive, Source
from gnn_readout.data.sources.download import archive_of
from gnn_readout.data.store import Schema
from gnn_readout.tasks import GraphProperty


def read_sets(path: pathlib.Path, shift: int = 0):
  """One line of whole numbers per set, the label first: a new format."""
  rows = [[int(x) for x in line.split()] for line in path.open()]
  nodes = np.array([x for row in rows for x in row[1:]], np.int32)[:, None]
  none = np.zeros(0, np.int32)
  return build_store(
    Schema(
      name=path.name,
      task_type="regression",
      num_tasks=1,
      num_classes=0,
      metric="mae",
      node_sizes=(),
      edge_sizes=(),
      node_dim=1,
      edge_dim=0,
      task_names=("sum",),
    ),
    num_nodes=np.array([len(row) - 1 for row in rows]),
    num_edges=np.zeros(len(rows), np.int32),
    nodes=nodes + shift,
    edges=np.zeros((0, 0), np.float32),
    senders=none,
    receivers=none,
    labels=np.array([row[:1] for row in rows], np.float32),
    splits={"train": np.array([0]), "valid": np.array([1])},
  )


# Sources whose datasets are named by paths, as they say themselves.
PATHS = [
  row for row in sources.SOURCES if row.written.startswith(("PATH", "FOLDER"))
]


def test_a_dataset_that_is_a_path_is_known_to_be_one():
  # Or its folder would be part of records, and a run bound to the current one.
  assert len(PATHS) >= 2
  for row in sources.SOURCES:
    assert row.is_path == (row in PATHS), row.written


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row.written)
def test_a_path_where_nothing_is(row, tmp_path):
  first = row.written.split()[0].strip(",")
  name = str(tmp_path / first.replace("PATH", "none").replace("FOLDER", "none"))
  assert sources.find(name) is row
  with pytest.raises(FileNotFoundError, match=re.escape(name)):
    data.load(name, tmp_path, tmp_path / "cache")


@pytest.fixture
def sets(monkeypatch):
  row = Source(
    written="sets/NAME",
    known=("sets/tiny",),
    matches=lambda name: name.startswith("sets/"),
    files=lambda name, data_dir: [data_dir / f"{name}.txt"],
    read=lambda name, data_dir, **options: read_sets(
      data_dir / f"{name}.txt", **options
    ),
    section="sets",
    options={"shift": int},
    archive=lambda name: Archive((f"https://x.org/{name}.zip",), name, "a"),
  )
  monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, row))


def test_a_new_source_is_a_row(sets, tmp_path):
  (tmp_path / "sets").mkdir()
  (tmp_path / "sets" / "tiny.txt").write_text("5 2 3\n9 4 5 0\n")
  store = data.load("sets/tiny", tmp_path, tmp_path / "cache")
  np.testing.assert_array_equal(store.nodes[:, 0], [2, 3, 4, 5, 0])
  config = molpcba.get_config("gcn,sum")
  fields = {"sets.shift": "7", "dataset": "sets/tiny"}
  config = config_fields.with_fields(config, fields)
  assert config.sets.shift == 7
  store = data.load_config(config, tmp_path, tmp_path / "cache")
  np.testing.assert_array_equal(store.nodes[:, 0], [9, 10, 11, 12, 7])
  assert len(list((tmp_path / "cache").iterdir())) == 2
  other = config_fields.with_fields(config, {"sets.shift": "8"})
  assert GraphProperty.data_key(other) != GraphProperty.data_key(config)
  with pytest.raises(ValueError, match=r"'sets\.shfit'.*mean 'sets\.shift'"):
    config_fields.with_fields(config, {"sets.shfit": "7"})
  with pytest.raises(ValueError, match="expects an integer, got 'x'"):
    config_fields.with_fields(config, {"sets.shift": "x"})
  assert archive_of("sets/tiny").inside == "a"
  with pytest.raises(ValueError, match=r"sets/NAME.*Did you mean 'sets/tiny'"):
    data.load("set/tiny")


def test_every_row_is_met_by_the_names_it_knows():
  for row in sources.SOURCES:
    for name in row.known:
      assert sources.find(name) is row
      if row.archive:
        assert archive_of(name) == row.archive(name)
    assert (row.section == "") == (not row.options)


def test_unknown_names_are_told_what_may_be_written():
  rows = [row.written for row in sources.SOURCES if row.read]
  assert {"demo", "ogbg-molNAME", "tu/NAME"} < set(rows)
  with pytest.raises(
    ValueError,
    match=rf"'tu-MUTAG'; use one of {re.escape(', '.join(rows))}\. .*"
    r"own graphs can be a CSV file of SMILES, a folder .* or text files .* Did"
    r" you mean 'tu/MUTAG'",
  ):
    sources.find("tu-MUTAG")


def test_what_holds_no_graphs_is_not_loaded(tmp_path):
  with pytest.raises(ValueError, match="omniglot holds no graphs"):
    data.load("omniglot", tmp_path, tmp_path)


class Loaded(tuple):
  """Arguments and options in the place of a dataset; a molecule's is split."""

  @property
  def splits(self):
    return () if self[0][0].startswith("tu/") else ("train",)


@pytest.fixture
def loaded(monkeypatch):
  monkeypatch.setattr(
    data, "load", lambda *args, **options: Loaded((args, options))
  )


@pytest.mark.parametrize("dataset", ["mine.csv", "mine.csv.gz"])
def test_the_options_of_a_csv_file_reach_its_reader(loaded, dataset):
  config = molpcba.get_config("gcn,sum")
  config.dataset = dataset
  config.csv.update(smiles_column="s", label_columns="a, b")
  positional, options = data.load_config(config, "data", "cache")
  assert positional == (dataset, "data", "cache")
  assert options == {
    "smiles_column": "s",
    "label_columns": "a, b",
    "on_invalid": "error",
  }
  config.dataset = "ogbg-molhiv"
  assert data.load_config(config, "data", "cache")[1] == {}


def test_every_option_of_the_configs_is_one_of_the_source(loaded):
  for module, dataset in ((molpcba, "mine.csv"), (tu, "tu/MUTAG")):
    config = module.get_config()
    source = sources.find(dataset)
    assert set(config[source.section]) == set(source.options)
  config = tu.get_config().unlock()
  config.tu.feature = "label"
  with pytest.raises(
    ValueError, match=r"tu\.feature of tu/NAME\. Did you mean 'features'"
  ):
    data.load_config(config)


def test_a_dataset_without_splits_needs_a_config_with_folds(loaded):
  config = molpcba.get_config("gcn,sum")
  config.dataset = "tu/MINE"
  with pytest.raises(ValueError, match=r"tu/MINE has no split, and the config"):
    data.load_config(config)
  assert data.load_config(config, with_fold=False)[1] == {}
