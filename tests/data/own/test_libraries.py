"""What the graphs of jraph, networkx and PyTorch Geometric may hold."""

from __future__ import annotations

import types

import jraph
import networkx as nx
import numpy as np
import pytest

from gnn_readout import data


def path_graph(n, label=0.5, kind=nx.Graph):
  graph = nx.path_graph(n, kind)
  graph.graph["label"] = label
  nx.set_node_attributes(graph, "C", "element")
  nx.set_node_attributes(graph, 0.5, "charge")
  return graph


def some(count=4):
  return [path_graph(2 + i, label=0.5 * i) for i in range(count)]


def test_words_become_categories():
  graphs = some()
  graphs[2].nodes[1]["element"] = "Br"
  graphs[3].nodes[4]["element"] = "N"
  store = data.from_networkx(None, graphs)
  assert store.schema.node_sizes == (3,)
  own = slice(*store.node_offsets[2:4])
  np.testing.assert_array_equal(store.nodes[own, 0], [1, 0, 1, 1])
  np.testing.assert_array_equal(store.nodes[:, 1], 0.5)
  assert "categories of 'element': Br 0, C 1, N 2" in store.schema.notes
  only = data.from_networkx(None, graphs, node_attributes=["charge"])
  assert (only.schema.node_sizes, only.schema.node_dim) == ((), 1)


def test_words_that_may_occur_are_numbered_in_their_order():
  words = {"element": ["N", "C", "O"]}
  store = data.from_networkx(None, some(), words=words)
  assert store.schema.node_sizes == (3,)
  np.testing.assert_array_equal(store.nodes[:, 0], 1)
  graphs = some()
  graphs[1].nodes[2]["element"] = "c"
  with pytest.raises(
    ValueError,
    match="graph 1, node 2: .* 'c', which is not one of its words. Kn",
  ):
    data.from_networkx(None, graphs, words=words)


def test_directed_graphs_stay_directed():
  graphs = [path_graph(3, 0.5 * i, nx.DiGraph) for i in range(4)]
  store = data.from_networkx(None, graphs)
  assert store.num_edges.tolist() == [2] * 4
  assert store.schema.notes[1].startswith("edges are directed: 8 of 8")


def test_several_edges_of_one_pair_are_kept():
  graphs = [nx.MultiGraph([(0, 1), (1, 0), (0, 1)], label=0.5)] * 3
  store = data.from_networkx(None, graphs)
  assert store.num_edges.tolist() == [6] * 3 and not store.schema.symmetric


def without(graph, node, name):
  del graph.nodes[node][name]
  return graph


@pytest.mark.parametrize(
  ("change", "words"),
  [
    (
      lambda g: without(g, 1, "charge"),
      "graph 1, node 1: no attribute 'charge",
    ),
    (
      lambda g: g.graph.clear(),
      "graph 1 has no attribute 'label' as its label",
    ),
    (
      lambda g: g.nodes[2].update(charge=None),
      "graph 1, node 2: attribute 'charge' is None, expected a number",
    ),
    (
      lambda g: g.nodes[2].update(charge=[1.0, 2.0]),
      r"graph 1, node 2: attribute 'charge' is \[1.0, 2.0\], expected a number",
    ),
    (
      lambda g: g.graph.update(label=[1.0, 2.0]),
      r"graph 1: label is \[1.0, 2.0\], of 2 numbers, and that of graph 0 of 1",
    ),
  ],
)
def test_what_networkx_graphs_lack_is_named(change, words):
  graphs = some()
  change(graphs[1])
  with pytest.raises(ValueError, match=words):
    data.from_networkx(None, graphs)


def test_directed_and_undirected_are_not_mixed():
  graphs = [*some(3), path_graph(3, 1.5, nx.DiGraph)]
  with pytest.raises(
    ValueError, match="graph 3 is directed and graph 0 is not"
  ):
    data.from_networkx(None, graphs)


def tuple_of(sizes, **changes):
  total = sum(sizes)
  values = {
    "nodes": np.ones((total, 2), np.float32),
    "edges": None,
    "senders": np.zeros(0, np.int32),
    "receivers": np.zeros(0, np.int32),
    "n_node": np.array(sizes),
    "n_edge": np.zeros(len(sizes), np.int32),
    "globals": np.linspace(0.1, 0.7, len(sizes)),
  }
  return jraph.GraphsTuple(**{**values, **changes})


def test_labels_of_jraph_by_name_and_given():
  there = {"y": np.array([0.5, 1.5, 2.5]), "z": np.zeros(3)}
  graphs = tuple_of((3, 1, 2), globals=there)
  store = data.from_jraph(None, graphs, labels="y")
  np.testing.assert_array_equal(store.labels[:, 0], there["y"])
  store = data.from_jraph(None, graphs, labels=np.array([1.5, 2.5, 3.5]))
  np.testing.assert_array_equal(store.labels[:, 0], [1.5, 2.5, 3.5])


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"globals": None}, "GraphsTuple 0: no globals as one array"),
    ({"globals": np.zeros(2)}, r"labels of shape \(2,\) for 3 graphs"),
    ({"n_edge": np.array([1, 0, 0])}, "0 senders for the 1 edges of n_edge"),
    ({"nodes": np.ones((5, 2))}, "graph 0 has 5 rows of node features for 6"),
    ({"nodes": np.full((6, 1), "C")}, "nodes: features of type <U1 and shape"),
  ],
)
def test_what_jraph_tuples_lack_is_named(changes, words):
  with pytest.raises(ValueError, match=words):
    data.from_jraph(None, tuple_of((3, 1, 2), **changes))


def test_graphs_with_other_features_than_the_first():
  graphs = [tuple_of((3, 1)), tuple_of((2,), nodes=np.ones((2, 2), int))]
  with pytest.raises(
    ValueError,
    match="graph 2 has different node features than graph 0: 2 categories"
    " against 2 values",
  ):
    data.from_jraph(None, graphs)


def pyg_like(**changes):
  values = {
    "num_nodes": 2,
    "x": np.ones((2, 1)),
    "edge_index": np.array([[0, 1], [1, 0]]),
    "edge_attr": None,
    "y": np.array([[0.5, 1.5]]),
  }
  return types.SimpleNamespace(**{**values, **changes})


def test_rows_of_labels_of_pyg():
  store = data.from_pyg(None, [pyg_like(), pyg_like(), pyg_like(y=[2.0, 3.0])])
  np.testing.assert_array_equal(store.labels, [[0.5, 1.5], [0.5, 1.5], [2, 3]])
  assert store.schema.task_names == ("task_0", "task_1")


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"y": None}, "graph 1 has no 'y' to take the label from"),
    ({"edge_index": np.zeros((3, 2), int)}, r"graph 1: edge_index is of shape"),
    ({"x": np.ones((3, 1))}, "graph 1 has 3 rows of node features for 2 nodes"),
  ],
)
def test_what_graphs_of_pyg_lack_is_named(changes, words):
  with pytest.raises(ValueError, match=words):
    data.from_pyg(None, [pyg_like(), pyg_like(**changes), pyg_like()])
