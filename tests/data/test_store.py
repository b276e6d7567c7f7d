"""Columns on disk come back as they were, or an error names the file."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from gnn_readout.data import store
from tests.data.full_disk import fill_the_disk

ROOT = pathlib.Path(__file__).parents[2]
COLUMNS = (
  "node_offsets",
  "edge_offsets",
  "nodes",
  "edges",
  "senders",
  "receivers",
  "labels",
)


def make_schema(**changes) -> store.Schema:
  values = {
    "name": "prime",
    "task_type": "binary",
    "num_tasks": 2,
    "num_classes": 0,
    "metric": "ap",
    "node_sizes": (7, 11, 300),
    "edge_sizes": (5,),
    "node_dim": 3,
    "edge_dim": 1,
    "task_names": ("a", "b"),
  }
  return store.Schema(**{**values, **changes})


def make_store(num_edges=(4, 0, 2)) -> store.GraphStore:
  rng = np.random.default_rng(0)
  num_nodes, total = np.array([3, 1, 7]), sum(num_edges)
  return store.GraphStore(
    schema=make_schema(),
    node_offsets=np.concatenate([[0], np.cumsum(num_nodes)]),
    edge_offsets=np.concatenate([[0], np.cumsum(num_edges)]).astype(np.int64),
    nodes=rng.integers(0, 7, (11, 3)).astype(np.int16),
    edges=rng.integers(0, 5, (total, 1)).astype(np.uint8),
    senders=rng.integers(0, 3, total).astype(np.int32),
    receivers=np.sort(rng.integers(0, 3, total)).astype(np.int32),
    labels=np.array([[0, 1], [np.nan, 1], [1, np.nan]], np.float32),
    splits={
      "train": np.array([2], np.int32),
      "valid": np.array([0], np.int32),
      "test": np.array([1], np.int32),
    },
  )


def assert_same(left: store.GraphStore, right: store.GraphStore) -> None:
  assert left.schema == right.schema
  for name in COLUMNS:
    a, b = getattr(left, name), getattr(right, name)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b, err_msg=name)
  assert list(left.splits) == list(right.splits)
  for name, indices in left.splits.items():
    np.testing.assert_array_equal(indices, right.splits[name])


def test_schema_survives_json():
  schema = make_schema()
  assert store.Schema.from_json(json.loads(json.dumps(schema.to_json()))) == (
    schema
  )


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"task_type": "binry"}, "task_type 'binry'. Did you mean 'binary'"),
    ({"metric": "auc"}, "unknown metric 'auc'"),
    ({"task_names": ("a",)}, "1 task name for 2 tasks"),
    (
      {"task_type": "multiclass", "metric": "accuracy"},
      "1 column of labels, not 2",
    ),
    ({"metric": "rmse"}, "unknown metric .rmse. for task_type .binary."),
  ],
)
def test_schema_refuses(changes, words):
  with pytest.raises(ValueError, match=words):
    make_schema(**changes)


@pytest.mark.parametrize("num_edges", [(4, 0, 2), (0, 0, 0)])
def test_open_returns_what_save_wrote(tmp_path, num_edges):
  written = make_store(num_edges)
  written.save(tmp_path / "a" / "cache", fingerprint="f")
  opened = store.open_store(
    tmp_path / "a" / "cache", verify=True, fingerprint="f"
  )
  assert_same(written, opened)
  assert not opened.nodes.flags.writeable
  assert opened.num_graphs == 3
  np.testing.assert_array_equal(opened.num_nodes, [3, 1, 7])
  np.testing.assert_array_equal(opened.num_edges, num_edges)
  assert opened.num_nodes.dtype == opened.num_edges.dtype == np.int32


def test_save_replaces_and_leaves_nothing_else(tmp_path):
  make_store().save(tmp_path / "cache")
  make_store((0, 0, 0)).save(tmp_path / "cache")
  assert len(store.open_store(tmp_path / "cache").edges) == 0
  assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("column", [*COLUMNS, "split_train"])
def test_truncated_column_is_named(tmp_path, column):
  make_store().save(tmp_path)
  file = tmp_path / f"{column}.npy"
  file.write_bytes(file.read_bytes()[:-1])
  with pytest.raises(ValueError, match=f"{file}: truncated"):
    store.open_store(tmp_path)


def test_missing_column_is_named(tmp_path):
  make_store().save(tmp_path)
  (tmp_path / "labels.npy").unlink()
  with pytest.raises(ValueError, match=r"labels.npy: no such file, but meta"):
    store.open_store(tmp_path)


def test_flipped_bit_is_found_by_verify(tmp_path):
  make_store().save(tmp_path)
  file = tmp_path / "labels.npy"
  data = bytearray(file.read_bytes())
  data[-1] ^= 1
  file.write_bytes(data)
  store.open_store(tmp_path)
  with pytest.raises(ValueError, match=f"{file}: corrupt"):
    store.open_store(tmp_path, verify=True)


def test_header_of_another_column_is_named(tmp_path):
  make_store().save(tmp_path)
  file = tmp_path / "receivers.npy"
  size = file.stat().st_size
  for array in (np.zeros(6, np.float32), None):
    if array is None:
      file.write_bytes(b"x" * size)
    else:
      np.save(file, array)
    assert file.stat().st_size == size
    with pytest.raises(ValueError, match=f"{file}: corrupt"):
      store.open_store(tmp_path)


@pytest.mark.parametrize(
  ("text", "words"),
  [
    ("{", "meta.json"),
    ("[]", "meta.json"),
    ("{}", "meta.json: 'schema_version'"),
    ('{"schema_version": 0, "columns": {}}', "schema version 0"),
    ("[" * 10_000, "levels deep"),
    (f'{{"schema_version": "{"x" * 20_000}", "columns": {{}}}}', "20,000 char"),
  ],
)
def test_damaged_meta_is_named(tmp_path, text, words):
  make_store().save(tmp_path)
  (tmp_path / "meta.json").write_text(text)
  with pytest.raises(ValueError, match=words):
    store.open_store(tmp_path)


def test_no_store_at_all(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"meta.json: no such file"):
    store.open_store(tmp_path / "nowhere")


def test_another_source_is_refused(tmp_path):
  make_store().save(tmp_path, fingerprint="old")
  with pytest.raises(ValueError, match="another version of the source"):
    store.open_store(tmp_path, fingerprint="new")


def test_full_disk_leaves_the_previous_store(tmp_path, monkeypatch):
  make_store().save(tmp_path / "cache")
  fill_the_disk(monkeypatch, after=3)
  with pytest.raises(OSError, match="No space left"):
    make_store((0, 0, 0)).save(tmp_path / "cache")
  assert_same(store.open_store(tmp_path / "cache", verify=True), make_store())
  assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_stores_are_frozen():
  with pytest.raises(dataclasses.FrozenInstanceError):
    make_store().nodes = None


@pytest.mark.parametrize("graphs", [[0], [1], [2], [2, 0], [0, 1, 2], []])
def test_in_degrees_count_the_edges_that_reach_each_node(graphs):
  written = make_store()
  expected = [
    int((written.receivers[edges] == node).sum())
    for graph in sorted(graphs)
    for edges in [slice(*written.edge_offsets[graph : graph + 2])]
    for node in range(written.num_nodes[graph])
  ]
  degrees = written.in_degrees(np.array(graphs, np.int32))
  np.testing.assert_array_equal(degrees, expected)
  assert degrees.sum() == sum((4, 0, 2)[graph] for graph in graphs)
