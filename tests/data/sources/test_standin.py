"""The stand-in for ogbg-molpcba is what it says, and never passes for it."""

from __future__ import annotations

import gzip
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import download, molecules, standin

NUM_NODES = (3, 5, 1, 4, 2, 7, 6)
NUM_BONDS = (2, 5, 0, 3, 1, 7, 4)
SPLITS = {"train": [0, 1, 3, 4], "valid": [2, 6], "test": [5]}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> pathlib.Path:
  """A data folder with seven molecules, no two alike, as ogbg-molhiv."""
  rng = np.random.default_rng(0)
  root = tmp_path_factory.mktemp("source")
  sizes = np.repeat(NUM_NODES, NUM_BONDS)[:, None]
  tables = {
    "raw/num-node-list": np.array(NUM_NODES)[:, None],
    "raw/num-edge-list": np.array(NUM_BONDS)[:, None],
    "raw/node-feat": rng.integers(0, molecules.ATOM_SIZES, (sum(NUM_NODES), 9)),
    "raw/edge": rng.integers(0, sizes, (sum(NUM_BONDS), 2)),
    "raw/edge-feat": rng.integers(0, molecules.BOND_SIZES, (len(sizes), 3)),
    "raw/graph-label": rng.integers(0, 2, (len(NUM_NODES), 1)),
  }
  for split, graphs in SPLITS.items():
    tables[f"split/scaffold/{split}"] = np.array(graphs)[:, None]
  for name, rows in tables.items():
    file = root / "ogb" / "ogbg_molhiv" / f"{name}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    file.write_bytes(gzip.compress(text.encode()))
  return root


def _content(folder: pathlib.Path) -> dict[str, bytes]:
  files = [path for path in folder.rglob("*") if path.is_file()]
  return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _graph(store, graph: int) -> bytes:
  """All there is of a graph but its labels."""
  nodes = slice(*store.node_offsets[graph : graph + 2])
  edges = slice(*store.edge_offsets[graph : graph + 2])
  columns = (store.nodes[nodes], store.edges[edges])
  columns += (store.senders[edges], store.receivers[edges])
  return b"|".join(column.tobytes() for column in columns)


def test_every_graph_is_a_molecule_of_the_same_split(source, tmp_path):
  done = []
  folder = standin.write_standin(
    source, tmp_path, 311, seed=3, progress=done.append
  )
  assert folder == tmp_path / "ogb" / "ogbg_molpcba"
  assert done == [311]
  store = molecules.read_ogb("ogbg-molpcba", tmp_path)
  real = molecules.read_ogb("ogbg-molhiv", source)
  assert store.num_graphs == 311
  sizes = {split: len(graphs) for split, graphs in store.splits.items()}
  assert sizes == {"train": 249, "valid": 31, "test": 31}
  for split, graphs in store.splits.items():
    assert (np.diff(graphs) > 0).all()
    drawn = {_graph(store, graph) for graph in graphs}
    assert drawn == {_graph(real, graph) for graph in SPLITS[split]}
  # The splits are mixed.
  assert store.splits["test"].min() < 50 < 261 < store.splits["test"].max()


def test_labels_are_read_as_they_are_written(source, tmp_path):
  folder = standin.write_standin(source, tmp_path, 101)
  packed = (folder / "raw" / "graph-label.csv.gz").read_bytes()
  lines = gzip.decompress(packed).decode().splitlines()
  rows = [line.split(",") for line in lines]
  assert {field for row in rows for field in row} == {"", "0.0", "1.0"}
  written = [[float(field or "nan") for field in row] for row in rows]
  labels = molecules.read_ogb("ogbg-molpcba", tmp_path).labels
  assert labels.shape == (101, 128)
  np.testing.assert_array_equal(labels, np.array(written, np.float32))


def test_labels_are_as_rare_as_promised_and_carry_a_signal(source, tmp_path):
  standin.write_standin(source, tmp_path, 4001)
  store = molecules.read_ogb("ogbg-molpcba", tmp_path)
  known = ~np.isnan(store.labels)
  assert known.mean() == pytest.approx(0.4, abs=0.005)
  rates = np.nansum(store.labels, axis=0) / known.sum(axis=0)  # [T]
  assert rates.mean() == pytest.approx(0.014, abs=0.003)
  assert rates.min() < 0.003 and 0.03 < rates.max() < 0.2
  # Among the molecules of the training set the positives are not spread evenly:
  # the chi-squared statistic, about 1 a degree of freedom if they were.
  kinds = np.array([hash(_graph(store, g)) for g in store.splits["train"]])
  labels = store.labels[store.splits["train"]]
  expected = np.nanmean(labels, axis=0) * known[store.splits["train"]]
  distance = 0.0
  for kind in set(kinds.tolist()):
    own = kinds == kind
    mean = expected[own].sum(axis=0)  # [T]
    found = np.nansum(labels[own], axis=0)
    distance += ((found - mean) ** 2 / np.maximum(mean, 1e-9)).sum()
  assert distance / (128 * (len(SPLITS["train"]) - 1)) > 1.3


def test_share_of_missing_labels_can_be_chosen(source, tmp_path):
  standin.write_standin(source, tmp_path, 503, missing=0.25)
  labels = molecules.read_ogb("ogbg-molpcba", tmp_path).labels
  assert np.isnan(labels).mean() == pytest.approx(0.25, abs=0.01)
  assert np.nanmean(labels) == pytest.approx(0.014, abs=0.005)


def test_the_seed_decides_every_byte(source, tmp_path):
  folders = [
    standin.write_standin(source, tmp_path / name, 31, seed)
    for name, seed in (("a", 1), ("b", 1), ("c", 2))
  ]
  a, b, c = map(_content, folders)
  assert a == b
  assert len(a) == 10
  for name in ("raw/edge.csv.gz", "raw/graph-label.csv.gz"):
    assert a[name] != c[name]


def test_its_name_says_what_it_is(source, tmp_path):
  folder = standin.write_standin(source, tmp_path, 31)
  cache = tmp_path / "cache"
  for _ in range(2):  # Converted, then from the cache.
    store = data.load("ogbg-molpcba", tmp_path, cache)
    assert store.schema.name == "ogbg-molpcba (stand-in)"
  # OGB's own release notes are empty.
  (folder / "RELEASE_v1.txt").write_text("")
  assert molecules.read_ogb("ogbg-molpcba", tmp_path).schema.name == (
    "ogbg-molpcba"
  )


def test_a_download_does_not_take_it_for_the_real_one(source, tmp_path):
  standin.write_standin(source, tmp_path, 31)
  with pytest.raises(ValueError, match="holds a stand-in for ogbg-molpcba"):
    download.download("ogbg-molpcba", tmp_path)


def test_only_a_stand_in_is_replaced(source, tmp_path):
  folder = standin.write_standin(source, tmp_path, 31)
  standin.write_standin(source, tmp_path, 37)
  assert molecules.read_ogb("ogbg-molpcba", tmp_path).num_graphs == 37
  (folder / "RELEASE_v1.txt").write_text("")
  before = _content(folder)
  with pytest.raises(ValueError, match="is not a stand-in: choose another"):
    standin.write_standin(source, tmp_path, 31)
  assert _content(folder) == before


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_graphs": 9}, "num_graphs must be at least 10, got 9"),
    ({"missing": 1.0}, "missing must be from 0 to below 1, got 1.0"),
    ({"missing": -0.1}, "missing must be from 0 to below 1, got -0.1"),
  ],
)
def test_bad_arguments(source, tmp_path, change, message):
  with pytest.raises(ValueError, match=message):
    standin.write_standin(source, tmp_path, **change)
  assert not list(tmp_path.iterdir())


def test_the_source_must_be_there(tmp_path):
  with pytest.raises(FileNotFoundError, match="To fetch ogbg-molhiv: "):
    standin.write_standin(tmp_path / "nowhere", tmp_path)


def test_the_binary_says_that_it_is_not_real(source, tmp_path):
  flags = f"--data_dir={source} --output={tmp_path} --num_graphs=101 --seed=5"
  done = subprocess.run(
    [sys.executable, "-m", "launch.standin", *flags.split()],
    cwd=pathlib.Path(__file__).parents[3],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert "ogbg-molpcba (stand-in) is ready: " in done.stdout
  assert "It is not the real dataset: 101 molecules" in done.stdout
  release = tmp_path / "ogb" / "ogbg_molpcba" / "RELEASE_v1.txt"
  assert "with seed 5" in release.read_text()
