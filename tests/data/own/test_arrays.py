"""What `from_arrays` understands, says, and refuses."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.own.labels import read_labels
from gnn_readout.data.own.splits import make_split
from tests.data.own import graphs

GRAPHS = graphs.draw()
G = len(GRAPHS)


def made(**changes):
  return data.from_arrays(None, **{**graphs.arrays(GRAPHS), **changes})


def changed(field, place, value, dtype=None):
  column = np.array(graphs.arrays(GRAPHS)[field], dtype)
  column[place] = value
  return {field: column}


BAD = {
  "an edge out of its graph": (
    changed("receivers", 0, 99),
    "an edge of graph 0 joins nodes 0 and 99, but the graph has"
    r" \d nodes: they are numbered from 0 to \d",
  ),
  "a negative end": (changed("senders", -1, -1), "graph 10 joins nodes -1"),
  "counts that do not add up": (
    changed("num_nodes", 2, 40),
    r"node_values is of shape \(\d+, 2\): expected \d+ rows, the sum of num_n",
  ),
  "edge features that are short": (
    {"edge_values": np.zeros((3, 1))},
    r"edge_values is of shape \(3, 1\): expected \d+ rows, the sum of num_edg",
  ),
  "senders that are short": ({"senders": [0]}, r"senders: 1, expected \d+ \(1"),
  "a negative count": (changed("num_edges", 1, -2), "num_edges of graph 1 is"),
  "counts of one graph less": (
    {"num_edges": graphs.arrays(GRAPHS)["num_edges"][:-1], "edge_values": None},
    r"edge counts: 10, expected 11 \(10 rows against 11\)",
  ),
  "NaN": (
    changed("node_values", (3, 1), np.nan),
    r"feature 2 of node \d of graph \d is nan, expected a finite number",
  ),
  "a number that is too large": (
    changed("edge_values", (0, 2), 1e30, np.float64),
    r"feature 2 of edge 0 of graph 0 is 1e\+30, expected a finite number of at",
  ),
  "a category beyond its vocabulary": (
    {"node_sizes": [3]},
    "feature 0 of node .* is [34], expected a category from 0 to 2",
  ),
  "a negative category": (
    changed("node_categories", 0, -1),
    "feature 0 of node 0 of graph 0 is -1, expected a category",
  ),
  "a quantity as a category": (
    changed("node_categories", 0, 10**6),
    "column 0 of node_categories has 1,000,001 categories, but at most 100,000",
  ),
  "categories that are no whole numbers": (
    {"node_categories": np.zeros(sum(graphs.arrays(GRAPHS)["num_nodes"]))},
    "node_categories is of type float64, not whole numbers",
  ),
  "vocabularies of other columns": (
    {"node_sizes": [5, 5]},
    "node_sizes has 2 numbers for 1 column of node_categories",
  ),
  "ends that are no whole numbers": (
    {"senders": np.zeros(5)},
    r"senders is of type float64 and shape \(5,\), expected a vector of whole",
  ),
  "labels of one graph less": (
    {"labels": np.zeros(G - 1)},
    r"labels of shape \(10,\), expected a row for each of 11 graphs",
  ),
  "labels of three axes": ({"labels": np.zeros((G, 1, 1))}, r"\(11, 1, 1\)"),
  "a label that is not finite": (changed("labels", 4, np.inf), "inf"),
  "no graphs": ({"num_nodes": [], "num_edges": []}, "it holds no graphs"),
  "an edge in both directions": (
    {
      **{"num_nodes": [2] * G, "num_edges": [2] + [0] * (G - 1)},
      **{"senders": [0, 1], "receivers": [1, 0], "undirected": True},
      **{"node_values": None, "node_categories": None, "edge_values": None},
    },
    "graph 0 lists the edge of nodes 0 and 1 in both directions: with undir",
  ),
  "too many names of tasks": ({"task_names": ["a", "b"]}, "2 task names for 1"),
  "another metric": ({"metric": "ap"}, "unknown metric 'ap' for task_type"),
  "another task": ({"task_type": "ranking"}, "unknown task_type 'ranking'"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_named(changes, words):
  with pytest.raises(ValueError, match=words) as caught:
    made(**changes)
  assert "\n" not in str(caught.value)


def test_a_refused_dataset_leaves_no_folder(tmp_path):
  arguments = {**graphs.arrays(GRAPHS), **changed("senders", 0, 77)}
  with pytest.raises(ValueError, match="mine: an edge of graph 0"):
    data.from_arrays(tmp_path / "mine", **arguments)
  assert not [*tmp_path.iterdir()]


def test_directed_edges_stay_directed_and_it_is_said():
  store = made()
  total = len(GRAPHS) and sum(len(g.edges) for g in GRAPHS)
  assert len(store.senders) == total and not store.schema.symmetric
  assert store.schema.notes[0] == (
    f"edges are directed: {total} of {total} have no inverse, and messages run"
    " from sender to receiver only; undirected=True adds the inverses"
  )


def test_a_loop_is_its_own_inverse():
  store = data.from_arrays(
    None,
    num_nodes=[2, 1, 1],
    num_edges=[2, 0, 0],
    senders=[1, 0],
    receivers=[1, 1],
    edge_categories=[3, 1],
    labels=[0.5, 1.5, 2.5],
    undirected=True,
  )
  pairs = zip(store.senders.tolist(), store.receivers.tolist())
  assert [*pairs] == [(1, 0), (1, 1), (0, 1)]
  np.testing.assert_array_equal(store.edges[:, 0], [1, 3, 1])
  assert (store.schema.node_sizes, store.schema.edge_sizes) == ((1,), (4,))
  assert "nodes have no features: all are of one category" in (
    store.schema.notes
  )


def test_graphs_without_nodes_are_kept_and_said():
  store = data.from_arrays(
    None,
    num_nodes=[0, 2, 0],
    num_edges=[0, 0, 0],
    senders=[],
    receivers=[],
    node_values=[1.0, 2.0],
    labels=[0, 1, 0],
  )
  assert store.num_nodes.tolist() == [0, 2, 0]
  assert {"2 graphs have no nodes", "3 graphs have no edges"} == {
    *store.schema.notes
  }


NAN = float("nan")
LABELS = {
  "yes or no": ([True, False, True, True], "binary", (), [1, 0, 1, 1]),
  "0 and 1": ([0, 1, 1, 0], "binary", (), [0, 1, 1, 0]),
  "0, 1 and gaps": ([0.0, 1.0, NAN, 0.0], "binary", (), [0, 1, NAN, 0]),
  "None is a gap": ([None, 1, 0, 1], "binary", (), [NAN, 1, 0, 1]),
  "real numbers": ([0.5, 1, 2, NAN], "regression", (), [0.5, 1, 2, NAN]),
  "words and a gap": (
    ["b", "a", NAN, "b"],
    "multiclass",
    ("a", "b"),
    [1, 0, NAN, 1],
  ),
  "words": (["b", "a", "c", "a"], "multiclass", ("a", "b", "c"), [1, 0, 2, 0]),
}


@pytest.mark.parametrize(
  ("labels", "task", "names", "values"), LABELS.values(), ids=LABELS
)
def test_kinds_of_labels(labels, task, names, values):
  found = read_labels("mine", labels, 4, None)
  assert (found.task_type, found.class_names) == (task, names)
  np.testing.assert_array_equal(
    found.values[:, 0], np.array(values, np.float32)
  )


def test_several_binary_tasks_with_gaps():
  labels = np.array([[0, 1, NAN], [1, NAN, NAN], [0, 0, 1], [1, 1, 0]])
  found = read_labels("mine", labels, 4, None)
  assert found.task_type == "binary" and found.classes is None
  np.testing.assert_array_equal(found.values, labels)


def test_a_few_whole_numbers_are_classes():
  labels = np.array([7, -1, 7, 3, 3, 3, -1, 7, -1])
  found = read_labels("mine", labels, 9, None)
  assert (found.task_type, found.class_names) == (
    "multiclass",
    ("-1", "3", "7"),
  )
  np.testing.assert_array_equal(
    np.array([-1, 3, 7])[found.classes.astype(int)], labels
  )
  with pytest.raises(ValueError, match="4 distinct whole numbers in 1 column"):
    read_labels("mine", np.array([1, 2, 3, 4]), 4, None)
  found = read_labels("mine", np.array([1, 2, 3, 4]), 4, "regression")
  assert found.task_type == "regression"
  gap = read_labels("mine", [2.0, NAN, 5.0], 3, "multiclass")
  assert gap.class_names == ("2", "5")
  np.testing.assert_array_equal(gap.values[:, 0], [0, NAN, 1])


@pytest.mark.parametrize(
  ("labels", "task_type", "words"),
  [
    ([[0, 1], [1, 0]], "multiclass", "one column of labels, not 2"),
    (
      ["a", "b"],
      "binary",
      "'a' are words, but task_type 'binary' takes numbers",
    ),
    (["a", 1.5], None, "neither all numbers nor all words"),
    ([[0.5, None], [{}, 3]], None, "labels are not numbers, or their rows"),
    ([1e300, 0.5], None, r"graph 0 is 1e\+300, beyond float32"),
  ],
)
def test_labels_that_cannot_be(labels, task_type, words):
  with pytest.raises(ValueError, match=words):
    read_labels("mine", labels, 2, task_type)


def test_without_labels_there_is_nothing_to_train_on():
  store = made(labels=None, split="none")
  assert np.isnan(store.labels).all() and not store.splits


def parts(split, num_graphs=97, **others):
  return make_split("mine", split, num_graphs, **others)


@pytest.mark.parametrize("how", ["random", "stratified"])
def test_drawn_splits_are_disjoint_and_repeatable(how):
  classes = np.repeat([0, 1, np.nan], [60, 25, 12])
  options = {"classes": classes, "shares": (0.6, 0.1, 0.3)}
  one, same, other = (parts(how, seed=s, **options) for s in (5, 5, 6))
  assert {k: len(v) for k, v in one.splits.items()} == {
    "train": 59, "valid": 9, "test": 29,
  }  # fmt: skip
  every = np.sort(np.concatenate([*one.splits.values()]))
  np.testing.assert_array_equal(every, np.arange(97))
  for name, indices in one.splits.items():
    np.testing.assert_array_equal(indices, same.splits[name])
  assert any((one.splits["test"] != other.splits["test"]).tolist())
  assert "0.6, 0.1 and 0.3" in one.origin and "seed 5" in one.origin


def test_a_stratified_split_has_its_share_of_every_class():
  classes = np.random.default_rng(0).permutation(
    np.repeat([0, 1, 2], [500, 90, 13])
  )
  splits = parts("stratified", len(classes), classes=classes).splits
  for share, indices in zip((0.8, 0.1, 0.1), splits.values()):
    counts = np.bincount(classes[indices], minlength=3)
    assert np.all(np.abs(counts - share * np.array([500, 90, 13])) <= 2)


def test_a_split_by_scaffold_is_that_of_the_molecules():
  pytest.importorskip("rdkit")
  from gnn_readout.data.sources.scaffolds import scaffold_split

  smiles = [
    f"{'C' * n}{ring}"
    for n in range(1, 6)
    for ring in ("c1ccccc1", "C1CC1", "O", "N1CCCC1")
  ]
  expected = scaffold_split(smiles, (0.5, 0.25, 0.25), 1)
  found = parts(
    "scaffold", len(smiles), smiles=smiles, shares=(0.5, 0.25, 0.25)
  )
  for name, indices in expected.splits.items():
    np.testing.assert_array_equal(found.splits[name], indices)


def test_given_splits():
  words = parts(["train", "val", "test", "Training"], 4).splits
  assert {k: v.tolist() for k, v in words.items()} == {
    "train": [0, 3], "valid": [1], "test": [2],
  }  # fmt: skip
  masks = parts({"train": np.array([True, False]), "test": [1]}, 2).splits
  assert {k: v.tolist() for k, v in masks.items()} == {
    "train": [0],
    "test": [1],
  }


@pytest.mark.parametrize(
  ("split", "others", "words"),
  [
    ("radnom", {}, "mine: unknown split 'radnom'. Did you mean 'random'"),
    ("random", {"shares": (0.5, 0.5, 0.1)}, "add up to 1"),
    ("stratified", {}, "needs classes, or one binary task"),
    ("scaffold", {}, "needs smiles="),
    ("scaffold", {"smiles": ["C"]}, "1 SMILES for 97 graphs"),
    (["train"] * 96, {}, "96 words of a split for 97 graphs"),
    (["train"] * 96 + ["tset"], {}, "split 'tset'. Did you mean 'test'"),
    ({"train": [0.5]}, {}, "'train' is of type float64 .* a list of graph ind"),
  ],
)
def test_splits_that_cannot_be(split, others, words):
  with pytest.raises(ValueError, match=words):
    parts(split, **others)


def test_a_split_outside_of_the_graphs_is_named():
  with pytest.raises(
    ValueError, match="'test' names graph 11, but the dataset has 11"
  ):
    made(split={"train": [0], "valid": [1], "test": [11]})
  with pytest.raises(ValueError, match="'valid' is empty"):
    made(split={"train": [0], "valid": np.array([], int)})
  assert re.fullmatch(
    "as it was given",
    made(split=["train"] * 9 + ["valid", "test"]).schema.split_from,
  )


def test_smiles_are_kept():
  store = made(smiles=[f"C{'C' * i}" for i in range(G)])
  assert store.texts["smiles"][2] == "CCC"


def test_a_store_made_by_hand_is_checked(tmp_path):
  from gnn_readout.data import checks

  store = made(undirected=True)
  short = dataclasses.replace(store, labels=store.labels[:-1])
  with pytest.raises(
    ValueError,
    match=r"labels: \(10, 1\), expected \(11, 1\) \(10 rows against 11\)",
  ):
    checks.check_store(short, "here")
  unsorted = dataclasses.replace(
    store, senders=store.receivers, receivers=store.senders
  )
  with pytest.raises(
    ValueError, match="here: the receivers of graph 0 are not in asc"
  ):
    checks.check_store(unsorted, "here")
  offsets = store.node_offsets + 1
  with pytest.raises(ValueError, match="'node_offsets' must start at 0"):
    checks.check_store(dataclasses.replace(store, node_offsets=offsets), "here")
  with pytest.raises(ValueError, match="'rows' has 3 rows for 11 graphs"):
    checks.check_store(dataclasses.replace(store, rows=np.arange(3)), "here")
