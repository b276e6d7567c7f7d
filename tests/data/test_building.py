"""Edges end up sorted by receiver; wrong columns are refused."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.data import building
from gnn_readout.data.store import Schema


def make_schema(**changes) -> Schema:
  values = {
    "name": "prime",
    "task_type": "binary",
    "num_tasks": 2,
    "num_classes": 0,
    "metric": "ap",
    "node_sizes": (7, 11),
    "edge_sizes": (5, 23),
    "node_dim": 2,
    "edge_dim": 2,
    "task_names": ("a", "b"),
  }
  return Schema(**{**values, **changes})


def make_columns(num_nodes=(5, 1, 0, 13, 3), num_bonds=(11, 0, 0, 23, 2)):
  """Random graphs with repeated bonds, one node, no node, and self-loops."""
  rng = np.random.default_rng(3)
  bonds = [
    rng.integers(0, n, (b, 2))
    for n, b in zip(num_nodes, num_bonds, strict=True)
    if b
  ]
  total, graphs = sum(num_bonds), len(num_nodes)
  return {
    "schema": make_schema(),
    "num_nodes": np.array(num_nodes),
    "num_bonds": np.array(num_bonds),
    "nodes": rng.integers(0, 7, (sum(num_nodes), 2)),
    "bonds": np.concatenate(bonds),
    # The second column numbers the bonds of a graph, to follow each of them.
    "bond_features": np.stack(
      [
        rng.integers(0, 5, total),
        np.concatenate([np.arange(b) for b in num_bonds]),
      ],
      axis=1,
    ),
    "labels": rng.integers(0, 2, (graphs, 2)).astype(np.float32),
    "splits": {"train": np.array([4, 0]), "test": np.array([1])},
  }


@pytest.mark.parametrize("at_a_time", [1 << 20, 24, 1])
def test_bonds_are_doubled_and_sorted_by_receiver(at_a_time, monkeypatch):
  monkeypatch.setattr(building, "_SORTED_AT_A_TIME", at_a_time)
  columns = make_columns()
  built = building.build_from_undirected(**columns)
  assert built.senders.dtype == built.receivers.dtype == np.int32
  assert built.nodes.dtype == built.edges.dtype == np.uint8
  np.testing.assert_array_equal(built.nodes, columns["nodes"])
  first = 0
  for g, count in enumerate(columns["num_bonds"]):
    edges = []
    for b in range(first, first + count):
      i, j = columns["bonds"][b]
      features = tuple(columns["bond_features"][b])
      edges += [(i, j, features), (j, i, features)]
    first += count
    expected = sorted(edges, key=lambda edge: edge[1])  # Stable.
    own = slice(built.edge_offsets[g], built.edge_offsets[g + 1])
    found = zip(
      built.senders[own],
      built.receivers[own],
      map(tuple, built.edges[own]),
      strict=True,
    )
    assert list(found) == expected


@pytest.mark.parametrize(
  ("sizes", "dtype"),
  [
    ((), np.float32),
    ((2, 256), np.uint8),
    ((257, 2), np.int16),
    ((40_000,), np.int32),
  ],
)
def test_feature_dtype_is_the_smallest(sizes, dtype):
  assert building.feature_dtype(sizes) == dtype


@pytest.mark.parametrize("wrong", [13, -1])
def test_edge_outside_its_graph_names_file_and_graph(wrong):
  columns = make_columns()
  columns["bonds"][-1 - 2, 1] = wrong  # The last bond of the graph 3.
  with pytest.raises(
    ValueError, match=rf"edge\.csv\.gz: .*graph 3 .* {wrong}.* 13 nodes"
  ):
    building.build_from_undirected(**columns, source="edge.csv.gz")


@pytest.mark.parametrize(
  "name", ["num_bonds", "nodes", "bonds", "bond_features", "labels"]
)
def test_lengths_must_agree(name):
  columns = make_columns()
  columns[name] = columns[name][:-1]
  with pytest.raises(ValueError, match=r"prime: .*expected"):
    building.build_from_undirected(**columns)


@pytest.mark.parametrize(
  ("schema", "label", "words"),
  [
    ({}, 2, "graph 4, task 'b' is 2, expected 0, 1 or missing"),
    ({"task_type": "regression", "metric": "mae"}, np.inf, "inf, expected a"),
  ],
)
def test_labels_must_fit_the_task(schema, label, words):
  columns = make_columns()
  columns["schema"] = make_schema(**schema)
  columns["labels"][4, 1] = np.nan
  building.build_from_undirected(**columns)
  columns["labels"][4, 1] = label
  with pytest.raises(ValueError, match=words):
    building.build_from_undirected(**columns)


@pytest.mark.parametrize("label", [-1, 3, 0.5])
def test_classes_must_be_in_range(label):
  columns = make_columns()
  columns["schema"] = make_schema(
    task_type="multiclass",
    num_tasks=1,
    num_classes=3,
    task_names=("class",),
    metric="accuracy",
  )
  columns["labels"] = np.array([[0], [1], [2], [np.nan], [label]])
  with pytest.raises(ValueError, match="expected an integer from 0 to 2"):
    building.build_from_undirected(**columns)


@pytest.mark.parametrize(
  ("splits", "words"),
  [
    ({"train": [0], "valid": []}, "the split 'valid' is empty"),
    ({"train": [0, 5]}, "'train' names graph 5, but the dataset has 5"),
    ({"train": [-1, 0]}, "'train' names graph -1"),
    ({"train": [1, 1]}, "'train' repeats a graph"),
    ({"train": [1], "test": [2, 1]}, "'test' repeats a graph"),
  ],
)
def test_splits_must_be_sound(splits, words):
  columns = make_columns()
  columns["splits"] = {k: np.array(v, np.int64) for k, v in splits.items()}
  with pytest.raises(ValueError, match=words):
    building.build_from_undirected(**columns)
