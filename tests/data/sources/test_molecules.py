"""OGB's raw layout is read as OGB reads it; damage is named."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import importlib.util
import pathlib
import re

import numpy as np
import pytest

from gnn_readout.data.sources import molecules

NAME = "ogbg-moltox21"
TASKS = 12
NUM_NODES = (5, 1, 0, 13, 3, 7, 2)
NUM_BONDS = (4, 0, 0, 17, 2, 7, 1)
SPLITS = {"train": [5, 0, 3, 1], "valid": [6], "test": [2, 4]}


@dataclasses.dataclass
class Folder:
  """A dataset in OGB's layout, to damage."""

  data_dir: pathlib.Path
  name: str

  @property
  def path(self) -> pathlib.Path:
    return self.data_dir / "ogb" / self.name.replace("-", "_")

  def file(self, name: str) -> pathlib.Path:
    split = name in SPLITS
    return self.path / ("split/scaffold" if split else "raw") / f"{name}.csv.gz"

  def write(self, name: str, rows) -> None:
    self.file(name).parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(self.file(name), "wt") as file:
      file.writelines(",".join(map(str, row)) + "\n" for row in rows)

  def rows(self, name: str) -> list[list[str]]:
    with gzip.open(self.file(name), "rt") as file:
      return [line.rstrip("\n").split(",") for line in file]

  def change(self, name: str, row: int, column: int, text: object) -> None:
    rows = self.rows(name)
    rows[row][column] = str(text)
    self.write(name, rows)


def slow_read(folder: Folder):
  """Yields per graph (nodes, {(sender, receiver): features}, labels)."""
  nodes, bonds, features, labels = (
    iter(folder.rows(name))
    for name in ("node-feat", "edge", "edge-feat", "graph-label")
  )
  counts = zip(
    folder.rows("num-node-list"), folder.rows("num-edge-list"), strict=True
  )
  for (num_nodes,), (num_bonds,) in counts:
    own_nodes = [tuple(map(int, next(nodes))) for _ in range(int(num_nodes))]
    edges = []
    for _ in range(int(num_bonds)):
      i, j = map(int, next(bonds))
      values = tuple(map(int, next(features)))
      edges += [(i, j, values), (j, i, values)]
    yield own_nodes, edges, [float(x or "nan") for x in next(labels)]


def assert_graph(store, graph: int, nodes, edges, labels) -> None:
  own = slice(*store.node_offsets[graph : graph + 2])
  assert [tuple(row) for row in store.nodes[own].tolist()] == nodes
  own = slice(*store.edge_offsets[graph : graph + 2])
  found = zip(
    store.senders[own].tolist(),
    store.receivers[own].tolist(),
    map(tuple, store.edges[own].tolist()),
    strict=True,
  )
  assert list(found) == sorted(edges, key=lambda edge: edge[1])
  np.testing.assert_array_equal(
    store.labels[graph], np.array(labels, np.float32)
  )


@pytest.fixture
def folder(tmp_path) -> Folder:
  rng = np.random.default_rng(0)
  folder = Folder(tmp_path, NAME)
  folder.write("num-node-list", [[n] for n in NUM_NODES])
  folder.write("num-edge-list", [[n] for n in NUM_BONDS])
  folder.write(
    "node-feat",
    rng.integers(0, molecules.ATOM_SIZES, (sum(NUM_NODES), 9)),
  )
  folder.write(
    "edge-feat",
    rng.integers(0, molecules.BOND_SIZES, (sum(NUM_BONDS), 3)),
  )
  sizes = np.repeat(NUM_NODES, NUM_BONDS)[:, None]
  folder.write("edge", rng.integers(0, sizes, (sum(NUM_BONDS), 2)))
  folder.write(
    "graph-label", rng.choice(["", "0.0", "1.0"], (len(NUM_NODES), TASKS))
  )
  for split, indices in SPLITS.items():
    folder.write(split, [[i] for i in indices])
  return folder


def read(folder: Folder):
  return molecules.read_ogb(folder.name, folder.data_dir)


def test_reads_what_is_written(folder):
  store = read(folder)
  for graph, expected in enumerate(slow_read(folder)):
    assert_graph(store, graph, *expected)
  assert store.num_graphs == graph + 1 == len(NUM_NODES)
  assert store.nodes.dtype == store.edges.dtype == np.uint8
  assert store.labels.dtype == np.float32
  assert store.schema.name == NAME
  assert store.schema.node_sizes == (119, 5, 12, 12, 10, 6, 6, 2, 2)
  assert store.schema.edge_sizes == (5, 6, 2)
  for split, indices in SPLITS.items():
    np.testing.assert_array_equal(store.splits[split], indices)
    assert store.splits[split].dtype == np.int32


def test_regression_labels(folder):
  old, folder.name = folder.path, "ogbg-molfreesolv"
  old.rename(folder.path)
  labels = [-11.01, 2.5, 3, -0.125, 1e-3, 77.7, 0]
  folder.write("graph-label", [[x] for x in labels])
  store = read(folder)
  assert store.schema.task_type == "regression"
  assert store.schema.metric == "rmse"
  np.testing.assert_array_equal(
    store.labels[:, 0], np.array(labels, np.float32)
  )


def test_task_names_come_from_the_mapping(folder):
  assert read(folder).schema.task_names[:2] == ("task_0", "task_1")
  names = [f"assay {i}" for i in range(TASKS)]
  (folder.path / "mapping").mkdir()
  mapping = folder.path / "mapping" / "mol.csv.gz"
  mapping.write_bytes(
    gzip.compress(",".join([*names, "smiles", "mol_id"]).encode())
  )
  assert read(folder).schema.task_names == tuple(names)
  mapping.write_bytes(b"nothing")
  assert read(folder).schema.task_names[0] == "task_0"


@pytest.mark.parametrize("name", sorted(molecules.OGB_DATASETS))
def test_table_is_ogbs_own(name):
  spec = importlib.util.find_spec("ogb")
  if spec is None:
    pytest.skip("ogb is not installed")
  root = pathlib.Path(spec.origin).parent
  with open(root / "graphproppred" / "master.csv") as file:
    rows = {row[""]: row for row in csv.DictReader(file)}
  task = molecules.OGB_DATASETS[name]
  assert rows["num tasks"][name] == str(task.num_tasks)
  assert rows["eval metric"][name] == task.metric
  assert rows["task type"][name].split()[0] == task.task_type
  assert rows["split"][name] == "scaffold"
  assert rows["add_inverse_edge"][name] == "True"
  known = {n for n in rows["split"] if n.startswith("ogbg-mol")}
  assert known == set(molecules.OGB_DATASETS)


def test_unknown_name_gets_a_suggestion(tmp_path):
  with pytest.raises(ValueError, match="Did you mean 'ogbg-molhiv'"):
    molecules.read_ogb("ogbg-molhvi", tmp_path)


FILES = ["num-node-list", "num-edge-list", "node-feat", "edge"]
FILES += ["edge-feat", "graph-label", "train", "valid", "test"]


@pytest.mark.parametrize("name", FILES)
def test_missing_file_says_what_to_do(folder, name):
  folder.file(name).unlink()
  message = f"{folder.file(name)}: no such file. To fetch {NAME}: "
  message += f"python -m launch.download --dataset={NAME}"
  with pytest.raises(FileNotFoundError, match=re.escape(message)):
    read(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 5, -5])
def test_truncated_file_is_named(folder, name, kept):
  data = folder.file(name).read_bytes()
  folder.file(name).write_bytes(data[:kept])
  with pytest.raises(ValueError, match=f"{folder.file(name)}: truncated"):
    read(folder)


@pytest.mark.parametrize(
  "name", ["num-edge-list", "node-feat", "edge", "edge-feat", "graph-label"]
)
@pytest.mark.parametrize("surplus", [-1, 1])
def test_number_of_rows_must_agree(folder, name, surplus):
  rows = folder.rows(name)
  count = len(rows)
  folder.write(name, rows[:-1] if surplus < 0 else [*rows, rows[0]])
  message = f"{folder.file(name)}: {count + surplus} rows, expected {count}, "
  with pytest.raises(ValueError, match=re.escape(message)):
    read(folder)


def test_counts_that_do_not_add_up(folder):
  folder.change("num-node-list", 3, 0, NUM_NODES[3] + 2)
  with pytest.raises(
    ValueError,
    match=r"node-feat.*: 31 rows, expected 33, the sum of num-node-list",
  ):
    read(folder)


@pytest.mark.parametrize("node", [13, 29])
def test_edge_outside_its_graph(folder, node):
  folder.change("edge", 9, 1, node)  # Of graph 3.
  message = f"{folder.file('edge')}: an edge of graph 3 "
  with pytest.raises(ValueError, match=re.escape(message)):
    read(folder)


@pytest.mark.parametrize(
  ("name", "row", "column", "text", "words"),
  [
    ("graph-label", 2, 4, "active", "'active' is not a number"),
    ("node-feat", 7, 0, "C", "'C' is not a whole number"),
    ("node-feat", 7, 1, 5, "'5' is not below 5, the size of the vocabulary"),
    ("node-feat", 8, 0, 300, "'300' is not below 119"),
    ("edge-feat", 3, 2, 2, "'2' is not below 2"),
    ("edge", 3, 0, "", "'' is not a whole number"),
    ("edge", 3, 0, -1, "'-1' is not a whole number"),
    ("num-node-list", 0, 0, "1.5", "'1.5' is not a whole number"),
    ("train", 1, 0, "x", "'x' is not a whole number"),
  ],
)
def test_wrong_fields_are_named(folder, name, row, column, text, words):
  folder.change(name, row, column, text)
  message = f"{folder.file(name)}: row {row + 1}, column {column + 1}: {words}"
  with pytest.raises(ValueError, match=re.escape(message)):
    read(folder)


def test_label_that_is_neither_0_nor_1(folder):
  folder.change("graph-label", 2, 4, 2)
  with pytest.raises(ValueError, match="label of graph 2, task 'task_4' is 2"):
    read(folder)


@pytest.mark.parametrize("split", SPLITS)
def test_empty_split(folder, split):
  folder.write(split, [])
  with pytest.raises(ValueError, match=f"{NAME}: the split '{split}' is empty"):
    read(folder)


def test_split_out_of_range(folder):
  folder.change("test", 1, 0, 7)
  with pytest.raises(
    ValueError, match="'test' names graph 7, but the dataset has 7"
  ):
    read(folder)


@pytest.mark.parametrize(
  ("name", "graphs"),
  [
    ("ogbg-molhiv", 41_906),
    ("ogbg-moltox21", 8_006),
    ("ogbg-moltoxcast", 8_597),
  ],
)
def test_real_data(data_dir, name, graphs):
  store = molecules.read_ogb(name, data_dir)
  task = molecules.OGB_DATASETS[name]
  assert store.num_graphs == graphs
  assert store.labels.shape == (graphs, task.num_tasks)
  assert sum(map(len, store.splits.values())) == graphs
  if name == "ogbg-moltox21":
    chosen = set(np.random.default_rng(0).choice(graphs, 499).tolist())
    slow = slow_read(Folder(data_dir, name))
    for graph, expected in enumerate(slow):
      if graph in chosen or graph == graphs - 1:
        assert_graph(store, graph, *expected)
