"""The same graphs from arrays, jraph, networkx and PyTorch Geometric."""

from __future__ import annotations

import jraph
import networkx as nx
import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data.store import GRAPH_COLUMNS
from tests.data.own import graphs

GRAPHS = graphs.draw()


def both_ways(graph):
  """Edges of both directions, one behind the other, and their features."""
  edges = np.stack([graph.edges, graph.edges[:, ::-1]], 1).reshape(-1, 2)
  return edges, np.repeat(graph.edge_values, 2, axis=0)


def of_arrays(path):
  return data.from_arrays(path, **graphs.arrays(GRAPHS), undirected=True)


def jraph_tuple(graph):
  edges, values = both_ways(graph)
  return jraph.GraphsTuple(
    nodes={"x": graph.values, "kind": graph.categories[:, 0]},
    edges=values,
    senders=edges[:, 0],
    receivers=edges[:, 1],
    n_node=np.array([len(graph.values)]),
    n_edge=np.array([len(edges)]),
    globals=np.array([[graph.label]], np.float32),
  )


def of_jraph(path):
  return data.from_jraph(path, [jraph_tuple(graph) for graph in GRAPHS])


def of_batched_jraph(path):
  tuples = [jraph_tuple(graph) for graph in GRAPHS]
  return data.from_jraph(path, [jraph.batch(tuples[:4]), *tuples[4:]])


def of_networkx(path):
  made = []
  for graph in GRAPHS:
    own = nx.Graph(label=graph.label)
    for v, values in enumerate(graph.values):
      own.add_node(f"v{v}", x=values, kind=int(graph.categories[v, 0]))
    for (u, v), values in zip(graph.edges, graph.edge_values):
      own.add_edge(f"v{u}", f"v{v}", distance=values)
    made.append(own)
  return data.from_networkx(path, made)


def of_pyg(path):
  torch = pytest.importorskip("torch")
  pyg = pytest.importorskip("torch_geometric.data")
  made = []
  for graph in GRAPHS:
    edges, values = both_ways(graph)
    made.append(
      pyg.Data(
        x=torch.tensor(graph.values),
        edge_index=torch.tensor(edges.T.copy()),
        edge_attr=torch.tensor(values),
        y=torch.tensor([graph.label]),
      )
    )
  kinds = np.concatenate([graph.categories for graph in GRAPHS])
  return data.from_pyg(path, made, node_categories=kinds)


WAYS = (of_jraph, of_batched_jraph, of_networkx, of_pyg)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_makes_the_same_columns(way, tmp_path):
  way(tmp_path / "mine")
  found = data.load(str(tmp_path / "mine"))
  expected = of_arrays(None)
  for name in (*GRAPH_COLUMNS, "labels"):
    column, like = getattr(found, name), getattr(expected, name)
    assert column.dtype == like.dtype, name
    if way is of_networkx and name in ("edges", "senders"):
      continue  # It lists the edges of a receiver in an order of its own.
    np.testing.assert_array_equal(column, like, err_msg=name)
  for split, indices in expected.splits.items():
    np.testing.assert_array_equal(found.splits[split], indices)
  by_name = [
    store.schema.to_json() | {"name": ""} for store in (found, expected)
  ]
  assert by_name[0] == by_name[1]
  assert found.schema.name == "mine"
  for g in range(len(GRAPHS)):
    assert edge_set(found, g) == edge_set(expected, g)


def edge_set(store, g):
  own = slice(*store.edge_offsets[g : g + 2])
  columns = store.senders[own], store.receivers[own], store.edges[own]
  return {(s, r, *e.tolist()) for s, r, e in zip(*columns)}


def test_the_columns_are_those_of_the_graphs():
  store = of_arrays(None)
  for g, graph in enumerate(GRAPHS):
    own = slice(*store.node_offsets[g : g + 2])
    np.testing.assert_array_equal(store.nodes[own, :1], graph.categories)
    np.testing.assert_array_equal(store.nodes[own, 1:], graph.values)
    assert store.labels[g, 0] == np.float32(graph.label)
    edges, values = both_ways(graph)
    listed = {(u, v, *x.tolist()) for (u, v), x in zip(edges, values)}
    assert edge_set(store, g) == listed
    assert np.all(
      np.diff(store.receivers[slice(*store.edge_offsets[g : g + 2])]) >= 0
    )
  schema = store.schema
  assert (schema.node_sizes, schema.node_dim) == ((5,), 3)
  assert (schema.edge_sizes, schema.edge_dim) == ((), 3)
  assert schema.symmetric and schema.task_type == "regression"
  assert store.schema.notes == ("1 graph has no edges",)
