"""The TU reader: small files by hand, and real ones against another reader."""

from __future__ import annotations

import os
import re
import shutil
import zipfile

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import tu
from tests.work import lines_of_python

# Five graphs: a triangle with a tail (and a loop, and an edge three times), two
# joined nodes, one node alone, none, and two nodes joined in one direction.
FILES = {
  "A": "1, 2\n2, 1\n2, 3\n3, 2\n3, 1\n1, 3\n3, 4\n4, 3\n2, 2\n1,2\n1,  2\n"
  "5, 6\n6, 5\n8, 9\n",
  "graph_indicator": "1\n1\n1\n1\n2\n2\n3\n5\n5\n",
  "graph_labels": "1\n-1\n7\n1\n-1\n",
  "node_labels": "0, 2\n0, 2\n-4, 3\n9, 3\n0, 3\n0, 2\n0, 2\n9, 2\n0, 3\n",
}
NODES = [4, 2, 1, 0, 2]
ATTRIBUTES = "0.5, -2\n1e-3, 3\n" + "".join(f"{i}, .25\n" for i in range(7))


@pytest.fixture(params=["folder", "zip"])
def kind(request):
  return request.param


@pytest.fixture
def write(tmp_path, kind):
  """Returns a function that writes a dataset and returns the data folder."""

  def write(files):
    names = {f"T/T_{name}.txt": text for name, text in files.items()}
    names["T/README.txt"] = "not read"
    (tmp_path / "tu").mkdir(exist_ok=True)
    if kind == "folder":
      (tmp_path / "tu/T").mkdir()
      for name, text in names.items():
        (tmp_path / "tu" / name).write_text(text)
    else:
      with zipfile.ZipFile(tmp_path / "tu/T.zip", "w") as archive:
        for name, text in names.items():
          archive.writestr(name, text)
    return tmp_path

  return write


def read(folder, **options):
  return tu.read_tu("T", folder, **options)


def edges_of(store):
  """Returns (graph, sender, receiver) of all edges."""
  graphs = np.repeat(np.arange(store.num_graphs), store.num_edges)
  return np.stack([graphs, store.senders, store.receivers], axis=1).tolist()


def test_a_dataset_by_hand(write):
  store = read(write(FILES))
  np.testing.assert_array_equal(store.num_nodes, NODES)
  # By receiver, then sender; neither the loop nor the repetition.
  assert edges_of(store) == [
    [0, 1, 0],
    [0, 2, 0],
    [0, 0, 1],
    [0, 2, 1],
    [0, 0, 2],
    [0, 1, 2],
    [0, 3, 2],
    [0, 2, 3],
    [1, 1, 0],
    [1, 0, 1],
    [4, 0, 1],
  ]
  schema = store.schema
  assert (schema.name, schema.task_type, schema.metric) == (
    "tu/T",
    "multiclass",
    "accuracy",
  )
  assert (schema.num_classes, schema.num_tasks) == (3, 1)
  assert schema.node_sizes == (3, 2)
  assert (schema.edge_sizes, schema.edge_dim) == ((), 0)
  assert not schema.symmetric
  np.testing.assert_array_equal(store.labels[:, 0], [1, 0, 2, 1, 0])
  expected = [[1, 0], [1, 0], [0, 1], [2, 1], [1, 1], [1, 0], [1, 0], [2, 0]]
  np.testing.assert_array_equal(store.nodes, [*expected, [1, 1]])
  assert store.nodes.dtype == np.uint8
  assert store.splits == {}


def test_undirected_graphs_are_symmetric(write):
  files = {**FILES, "A": FILES["A"] + "9, 8\n"}
  assert read(write(files)).schema.symmetric


def test_unsorted_nodes_move_to_their_graph(write, tmp_path):
  order = np.random.default_rng(0).permutation(9)  # New place -> old node.
  place = np.argsort(order)
  lines = {name: text.splitlines() for name, text in FILES.items()}
  moved = dict(FILES)
  for name in ("graph_indicator", "node_labels"):
    moved[name] = "".join(f"{lines[name][i]}\n" for i in order)
  pairs = [tuple(map(int, line.split(","))) for line in lines["A"]]
  moved["A"] = "".join(
    f"{place[u - 1] + 1}, {place[v - 1] + 1}\n" for u, v in pairs
  )
  store = read(write(moved))
  # Within a graph the nodes are in the order of the file.
  indicator = np.array(lines["graph_indicator"], int)
  kept = order[np.argsort(indicator[order], kind="stable")]
  first = np.cumsum(NODES) - NODES
  old = lambda g, u: int(kept[first[g] + u])
  found = {(old(g, u) + 1, old(g, v) + 1) for g, u, v in edges_of(store)}
  assert found == {(u, v) for u, v in pairs if u != v}
  labels = np.array([line.split(",")[0] for line in lines["node_labels"]], int)
  codes = np.unique(labels, return_inverse=True)[1]
  np.testing.assert_array_equal(store.nodes[:, 0], codes[kept])


@pytest.mark.parametrize(
  ("features", "sizes", "first_rows"),
  [
    ("constant", (1,), [[0], [0], [0], [0]]),
    ("degree", (4,), [[2], [2], [3], [1]]),
    ("attribute", (), [[0.5, -2, 0, 1, 0, 1, 0], [0.001, 3, 0, 1, 0, 1, 0]]),
    ("label", (3, 2), [[1, 0], [1, 0], [0, 1]]),
    (None, (3, 2), [[1, 0], [1, 0], [0, 1]]),
  ],
)
def test_node_features(write, features, sizes, first_rows):
  store = read(
    write({**FILES, "node_attributes": ATTRIBUTES}), features=features
  )
  assert store.schema.node_sizes == sizes
  assert store.schema.node_dim == store.nodes.shape[1] == len(first_rows[0])
  assert store.nodes.dtype == (np.uint8 if sizes else np.float32)
  np.testing.assert_array_equal(
    store.nodes[: len(first_rows)], np.array(first_rows, store.nodes.dtype)
  )


def test_features_that_are_not_there(write):
  folder = write({k: v for k, v in FILES.items() if k != "node_labels"})
  for name in ("label", "attribute"):
    words = f"features='{name}', but there is no T_node_{name}s.txt"
    with pytest.raises(ValueError, match=words):
      read(folder, features=name)
  with pytest.raises(ValueError, match="Did you mean 'degree'"):
    read(folder, features="degrees")
  assert read(folder).schema.node_sizes == (4,)  # Degrees are always there.


@pytest.mark.parametrize(
  ("name", "kinds", "expected"),
  [
    ("MUTAG", ("label",), "label"),
    ("ENZYMES", ("label", "attribute"), "label"),
    ("Synthie", ("attribute",), "attribute"),
    ("IMDB-MULTI", (), "degree"),
    ("COLLAB", ("label",), "degree"),
    ("REDDIT-MULTI-5K", (), "constant"),
    ("TRIANGLES", (), "degree"),
  ],
)
def test_the_usual_features(name, kinds, expected):
  assert tu._usual_features(name, kinds) == expected


def test_edge_features_follow_their_edges(write):
  labels = "".join(f"{label}\n" for label in range(20, 34))
  store = read(write({**FILES, "edge_labels": labels}))
  assert store.schema.edge_sizes == (14,)
  # The first of the three edges 1, 2 has label 20, the code 0.
  expected = [1, 4, 0, 3, 5, 2, 7, 6, 12, 11, 13]
  np.testing.assert_array_equal(store.edges[:, 0], expected)


def test_edge_attributes_with_labels_beside_them(write):
  attributes = "".join(f"{i / 4}, {-i}\n" for i in range(14))
  labels = "".join(f"{i % 2}\n" for i in range(14))
  files = {**FILES, "edge_labels": labels, "edge_attributes": attributes}
  store = read(write(files))
  assert (store.schema.edge_sizes, store.schema.edge_dim) == ((), 4)
  assert store.edges.dtype == np.float32
  which = [1, 4, 0, 3, 5, 2, 7, 6, 12, 11, 13]
  expected = [[i / 4, -i, i % 2 == 0, i % 2] for i in which]
  np.testing.assert_array_equal(store.edges, expected)


def test_graph_attributes_are_to_be_predicted(write):
  files = {**FILES, "graph_attributes": "1, 2.5\n0, -1\n,7\n3, 4e2\n0,0\n"}
  store = read(write(files))
  assert (store.schema.task_type, store.schema.metric) == ("regression", "mae")
  assert store.schema.num_tasks == 2
  expected = [[1, 2.5], [0, -1], [np.nan, 7], [3, 400], [0, 0]]
  np.testing.assert_array_equal(store.labels, expected)


def test_both_files_of_targets(write):
  folder = write({**FILES, "graph_attributes": "1\n0\n\n3\n5\n"})
  store = read(folder)
  assert store.schema.task_type == "regression"
  assert any(
    "learned: T_graph_attributes.txt; there are labels too" in line
    for line in store.describe()
  )
  store = read(folder, targets="label")
  assert store.schema.task_type == "multiclass"
  assert "classes: -1 (2), 1 (2), 7 (1)" in store.describe()[0]
  with pytest.raises(ValueError, match="Did you mean 'label'"):
    read(folder, targets="labels")


def test_files_that_are_not_needed_are_not_read(write):
  bad = "1, 2\n0.5\n" * 4
  folder = write({**FILES, "node_labels": bad, "node_attributes": "1_5\n"})
  for features in ("degree", "constant"):
    assert read(folder, features=features).num_graphs == 5
  with pytest.raises(ValueError, match=r"node_labels.txt: row 2 has 1 field"):
    read(folder)


def test_labels_with_a_point_and_commas_at_the_end(write):
  files = {
    **FILES,
    "graph_labels": "1.0\n-1.0\n7.\n1\n-1.00\n\n\n",
    "node_attributes": "0.5, 2,\n" * 9 + " \n",
  }
  store = read(write(files), features="attribute")
  np.testing.assert_array_equal(store.labels[:, 0], [1, 0, 2, 1, 0])
  assert store.schema.class_names == ("-1", "1", "7")
  assert store.schema.node_dim == 2 + 3 + 2


@pytest.mark.parametrize(
  ("name", "meant"),
  [
    ("edge_label", "T_edge_labels.txt"),
    ("Edge_labels", "T_edge_labels.txt"),
    ("node_atributes", "T_node_attributes.txt"),
    ("graph_atttributes", "T_graph_attributes.txt"),
  ],
)
def test_a_name_with_a_slip_is_no_silent_loss(write, name, meant):
  folder = write(FILES | {name: "1\n" * 14})
  with pytest.raises(ValueError, match=f"T_{name}.txt: no .* to {meant} if"):
    read(folder)


def test_files_that_are_not_read_are_told(write):
  store = read(write(FILES | {"coordinates": "0\n"}))
  assert "not read: T_coordinates.txt" in store.describe()


def test_repeated_graphs_are_left_out_when_asked(write):
  files = {
    "A": "1, 2\n2, 1\n3, 4\n4, 3\n",
    "graph_indicator": "1\n1\n2\n2\n3\n",
    "graph_labels": "5\n6\n5\n",
  }
  folder = write(files)
  assert read(folder).num_graphs == 3
  store = read(folder, remove_duplicates=True)
  np.testing.assert_array_equal(store.num_nodes, [2, 1])
  np.testing.assert_array_equal(store.labels, [[0], [0]])
  np.testing.assert_array_equal(store.rows, [1, 3])  # As its files count.


def test_lines_may_end_as_on_windows_and_the_last_one_anyhow(write):
  files = {k: v.replace("\n", "\r\n").rstrip() for k, v in FILES.items()}
  assert read(write(files)).num_graphs == 5


@pytest.mark.parametrize(
  ("name", "text", "words"),
  [
    ("A", "1, 2\n2, 10\n", "row 2: an edge of nodes 2 and 10, but nodes are"),
    ("A", "1, 2\n0, 1\n", "row 2: an edge of nodes 0 and 1, but nodes are"),
    (
      "A",
      "1, 2\n4, 5\n",
      "row 2: an edge of nodes 4 and 5, which are in graphs",
    ),
    ("A", "1, 2\n2\n", "row 2 has 1 field, expected 2"),
    ("A", "1, 2\n2, x\n", "row 2, column 2: 'x' is not a whole number"),
    ("A", "1, 2\n\n2, 1\n", "row 2 has 1 field"),
    ("graph_indicator", "1\n" * 8, "row 14: an edge of nodes 8 and 9, but"),
    ("graph_indicator", "1\n1\n9\n" + "5\n" * 6, "row 3: graph 9, but graphs"),
    ("graph_indicator", "0\n" + "5\n" * 8, "row 1: graph 0, but graphs are"),
    ("graph_labels", "1\n2\n", "row 7: graph 3, but graphs are numbered from"),
    ("graph_labels", "1\n2\n3.5\n4\n5\n", "row 3, column 1: '3.5' is not a"),
    ("graph_labels", "1, 2\n" * 5, "row 1 has 2 fields, expected 1"),
    ("node_labels", "1\n" * 8, "8 rows, expected 9, as in T_graph_indicator"),
    ("node_labels", "1\n" * 10, "10 rows, expected 9, as in T_graph_indicator"),
    ("node_labels", "1\n" * 8 + "one\n", "row 9, column 1: 'one' is not a"),
    ("edge_labels", "1\n" * 13, "13 rows, expected 14, as in T_A.txt"),
    ("node_attributes", "1, 2\n" * 8 + "1, \n", "row 9: a field is empty"),
    (
      "node_attributes",
      "1, 2\n" * 8 + "1, 1.2.3\n",
      "row 9, column 2: '1.2.3'",
    ),
    (
      "node_attributes",
      "1, 2\n" * 8 + "1, 1e30\n",
      "row 9: 1e+30 is too large for a feature, which may be at most 1e+15",
    ),
    ("graph_attributes", "1\n" * 4 + "inf\n", "row 5, column 1: 'inf'"),
  ],
)
@pytest.mark.parametrize("kind", ["zip"], indirect=True)
def test_a_wrong_line_is_named(write, name, text, words):
  folder = write({**FILES, name: text})
  # What contradicts another file is named where it is found.
  elsewhere = {"row 14": "A", "row 7:": "graph_indicator"}
  where = elsewhere.get(words[:6], name)
  path = re.escape(f"{folder}/tu/T.zip/T/T_{where}.txt: ")
  features = "attribute" if name == "node_attributes" else None
  with pytest.raises(ValueError, match=path + re.escape(words)) as error:
    read(folder, features=features)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["A", "graph_indicator", "graph_labels"])
def test_a_missing_file_is_named(write, name):
  folder = write({k: v for k, v in FILES.items() if k != name})
  with pytest.raises(
    FileNotFoundError, match=rf"T/T_{name}\.txt: no such file"
  ):
    read(folder)


@pytest.mark.parametrize("kind", ["zip"], indirect=True)
def test_a_broken_zip_is_named(write, tmp_path):
  path = write(FILES) / "tu/T.zip"
  whole = path.read_bytes()
  flipped = bytearray(whole)
  flipped[whole.index(b"5, 6\n")] ^= 3  # Another digit: only the sum tells.
  for body in (b"", whole[:-31], bytes(flipped)):
    path.write_bytes(body)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}"):
      read(tmp_path)


def test_a_dataset_is_converted_once(write, tmp_path, kind, monkeypatch):
  folder, calls, reader = write(FILES), [], tu.read_tu

  def counting(*args, **options):
    calls.append(options)
    return reader(*args, **options)

  monkeypatch.setattr(tu, "read_tu", counting)
  for features in ("degree", "constant", "degree"):
    store = data.load("tu/T", folder, tmp_path / "cache", features=features)
    assert store.schema.node_sizes == ((4,) if features == "degree" else (1,))
  assert len(calls) == 2
  file = folder / ("tu/T.zip" if kind == "zip" else "tu/T/T_A.txt")
  os.utime(file, ns=(0, 0))
  data.load("tu/T", folder, tmp_path / "cache", features="degree")
  assert len(calls) == 3


@pytest.mark.parametrize(
  "name",
  [
    "MUTAG",
    pytest.param("PROTEINS", marks=pytest.mark.slow),
    "IMDB-BINARY",
    pytest.param("REDDIT-BINARY", marks=pytest.mark.slow),
    pytest.param("COLLAB", marks=pytest.mark.slow),
  ],
)
def test_real_data_as_pytorch_geometric_reads_it(data_dir, tmp_path, name):
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  from torch_geometric.io import read_tu_data

  store = data.load(f"tu/{name}", data_dir, tmp_path / "cache")
  shutil.unpack_archive(data_dir / "tu" / f"{name}.zip", tmp_path)
  peer, slices, _ = read_tu_data(str(tmp_path / name), name)
  np.testing.assert_array_equal(store.labels[:, 0], peer.y)
  if peer.x is None:
    np.testing.assert_array_equal(store.num_nodes, peer._num_nodes)
  else:
    np.testing.assert_array_equal(store.node_offsets, slices["x"])
    _, codes = np.unique(peer.x.argmax(dim=1).numpy(), return_inverse=True)
    np.testing.assert_array_equal(store.nodes[:, 0], codes)
  np.testing.assert_array_equal(store.edge_offsets, slices["edge_index"])
  senders, receivers = peer.edge_index.numpy()
  first = np.repeat(store.node_offsets[:-1], store.num_edges)
  order = np.lexsort([senders, receivers + first])
  np.testing.assert_array_equal(store.senders, senders[order])
  np.testing.assert_array_equal(store.receivers, receivers[order])
  assert store.schema.symmetric
  kind = tu._USUAL_FEATURES.get(re.sub("-.*", "-", name), "label")
  if kind == "degree":
    degrees = np.bincount(receivers + first, minlength=len(store.nodes))
    np.testing.assert_array_equal(store.nodes[:, 0], degrees)
  assert (store.schema.node_sizes == (1,)) == (kind == "constant")


@pytest.mark.parametrize(
  "name", ["REDDIT-BINARY", pytest.param("COLLAB", marks=pytest.mark.slow)]
)
def test_large_datasets_are_read_without_a_loop_over_nodes(
  data_dir, tmp_path, name
):
  stores = []

  def load():
    stores.append(data.load(f"tu/{name}", data_dir, tmp_path))

  cold, warm = lines_of_python(load), lines_of_python(load)
  np.testing.assert_array_equal(stores[0].senders, stores[1].senders)
  num_nodes = len(stores[0].nodes)
  assert cold < num_nodes
  assert warm < num_nodes / 10
