"""ogbg-molpcba as TensorFlow Datasets writes it, against OGB's own layout."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.sources import molecules, tfds

tf = pytest.importorskip("tensorflow")

NUM_NODES, NUM_BONDS = (3, 1, 5, 2, 4, 2, 7), (3, 0, 6, 1, 3, 1, 7)
G, TASKS = len(NUM_NODES), 128
# Not the order of OGB's files, and two shards of train.
SHARDS = {
  "train-00000-of-00002": (5, 0),
  "train-00001-of-00002": (2,),
  "validation-00000-of-00001": (6, 1),
  "test-00000-of-00001": (3, 4),
}


def raw():
  """Returns columns in the order of OGB's files."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, (G, TASKS)).astype(np.float32)
  labels[rng.random(labels.shape) < 0.4] = np.nan
  bonds = [
    np.stack([rng.permutation(n)[:2] for _ in range(b)])
    for n, b in zip(NUM_NODES, NUM_BONDS)
    if b
  ]
  return {
    "node-feat": rng.integers(0, molecules.ATOM_SIZES, (sum(NUM_NODES), 9)),
    "edge": np.concatenate(bonds),
    "edge-feat": rng.integers(0, molecules.BOND_SIZES, (sum(NUM_BONDS), 3)),
    "graph-label": labels,
  }


def example(g, **changes):
  """Returns an example as `tfds.features.Tensor` is serialised: flat lists."""
  columns = raw()
  node = slice(sum(NUM_NODES[:g]), sum(NUM_NODES[: g + 1]))
  bond = slice(sum(NUM_BONDS[:g]), sum(NUM_BONDS[: g + 1]))
  values = {
    "num_nodes": np.array([NUM_NODES[g]]),
    "num_edges": np.array([NUM_BONDS[g]]),
    "node_feat": columns["node-feat"][node].astype(np.float32),
    "edge_feat": columns["edge-feat"][bond].astype(np.float32),
    "edge_index": columns["edge"][bond],
    "labels": columns["graph-label"][g],
    **changes,
  }
  feature = {}
  for name, value in values.items():
    flat = np.asarray(value).ravel()
    if flat.dtype.kind == "f":
      one = tf.train.Feature(float_list=tf.train.FloatList(value=flat))
    else:
      one = tf.train.Feature(int64_list=tf.train.Int64List(value=flat))
    feature[name] = one
  features = tf.train.Features(feature=feature)
  return tf.train.Example(features=features).SerializeToString()


def write_shards(root, **changes):
  folder = root / "ogbg_molpcba" / "0.1.3"
  folder.mkdir(parents=True)
  for name, graphs in SHARDS.items():
    split, _, place = name.partition("-")
    path = folder / f"ogbg_molpcba-{split}.tfrecord-{place}"
    with tf.io.TFRecordWriter(str(path)) as writer:
      for g in graphs:
        writer.write(example(g, **(changes if g == 2 else {})))
  tasks = [f"assay {i}" for i in range(TASKS)]
  (folder / "metadata.json").write_text(json.dumps({"tasks": tasks}))
  return folder


def write_raw(root):
  folder = root / "ogb" / "ogbg_molpcba"
  splits = {"train": [5, 0, 2], "valid": [6, 1], "test": [3, 4]}
  tables = {f"raw/{name}": table for name, table in raw().items()}
  tables |= {
    "raw/num-node-list": np.array(NUM_NODES)[:, None],
    "raw/num-edge-list": np.array(NUM_BONDS)[:, None],
    **{f"split/scaffold/{k}": np.array(v)[:, None] for k, v in splits.items()},
  }
  for name, table in tables.items():
    file = folder / f"{name}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt") as out:
      for row in table:
        words = ("" if np.isnan(x) else f"{x:g}" for x in row)
        out.write(",".join(words) + "\n")


@pytest.mark.parametrize("below", ["tfds", "", "ogbg"])
def test_graphs_are_those_of_ogbs_own_files(below, tmp_path):
  write_shards(tmp_path / below)
  write_raw(tmp_path)
  found = data.load(tfds.DATASET, tmp_path, tmp_path / "cache")
  ogb = data.load("ogbg-molpcba", tmp_path, tmp_path / "cache")
  order = [5, 0, 2, 6, 1, 3, 4]
  if not below:
    assert found.schema.task_names[3] == "assay 3"
  np.testing.assert_array_equal(found.labels, ogb.labels[order])
  for place, g in enumerate(order):
    for kind, columns in (
      ("node", ("nodes",)),
      ("edge", ("edges", "senders", "receivers")),
    ):
      own, its = (
        slice(*getattr(store, f"{kind}_offsets")[i : i + 2])
        for store, i in ((found, place), (ogb, g))
      )
      for name in columns:
        column, like = getattr(found, name)[own], getattr(ogb, name)[its]
        np.testing.assert_array_equal(column, like)
        assert column.dtype == like.dtype
  assert {k: [order[i] for i in v] for k, v in found.splits.items()} == {
    k: v.tolist() for k, v in ogb.splits.items()
  }
  skip = {"task_names": (), "notes": (), "split_from": ""}
  schemas = [s.schema.to_json() | skip for s in (found, ogb)]
  assert schemas[0] == schemas[1]


def test_the_newest_version_counts(tmp_path):
  folder = write_shards(tmp_path)
  folder.rename(folder.with_name("0.1.10"))
  write_shards_again = folder.with_name("0.1.9")
  write_shards_again.mkdir()
  old = write_shards_again / "ogbg_molpcba-train.tfrecord-00000-of-00001"
  old.write_bytes(b"")
  assert {f.parent.name for f in tfds.tfds_files(tmp_path)} == {"0.1.10"}


def test_what_is_not_there_is_named(tmp_path):
  with pytest.raises(
    FileNotFoundError, match="OGB's own files are the dataset"
  ):
    data.load(tfds.DATASET, tmp_path)
  folder = write_shards(tmp_path)
  shard = folder / "ogbg_molpcba-train.tfrecord-00001-of-00002"
  shard.rename(folder / "elsewhere")
  with pytest.raises(FileNotFoundError, match="00001-of-00002: no such file"):
    data.load(tfds.DATASET, tmp_path)


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"num_nodes": [4]}, "example 0: node_feat has 45 numbers, expected 36"),
    ({"edge_feat": [0.5]}, "example 0: edge_feat has 1 numbers, expected 18"),
    ({"labels": [1.0]}, "example 0: labels has 1 numbers, expected 128"),
    ({"num_nodes": []}, "example 0: num_nodes has 0 numbers, expected 1"),
  ],
)
def test_an_example_that_contradicts_itself(changes, words, tmp_path):
  changes = {
    k: np.array(v, int if k == "num_nodes" else float)
    for k, v in changes.items()
  }
  write_shards(tmp_path, **changes)
  with pytest.raises(
    ValueError, match=rf"train.tfrecord-00001-of-00002: {words}"
  ):
    data.load(tfds.DATASET, tmp_path, tmp_path / "cache")


def test_features_that_are_no_categories(tmp_path):
  write_shards(tmp_path, node_feat=np.full((5, 9), 0.5))
  with pytest.raises(ValueError, match="feature 0 of node 0 of graph 2 is 0.5"):
    data.load(tfds.DATASET, tmp_path, tmp_path / "cache")


def test_a_damaged_file_is_named(tmp_path):
  folder = write_shards(tmp_path)
  file = folder / "ogbg_molpcba-test.tfrecord-00000-of-00001"
  file.write_bytes(file.read_bytes()[:-9])
  with pytest.raises(ValueError, match="test.tfrecord-.*: damaged after"):
    data.load(tfds.DATASET, tmp_path, tmp_path / "cache")
