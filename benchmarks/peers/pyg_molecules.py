"""The same models written with PyTorch Geometric: the peer to be measured.

OGB's GCN and GIN with any of PyTorch Geometric's pooling functions. Needs the
`peers` extra.
"""

from __future__ import annotations

import jraph
import numpy as np
import torch
import torch_geometric.nn as pyg
from torch import nn
from torch_geometric.utils import degree

from benchmarks.peers.pyg_readouts import PEERS
from gnn_readout.errors import suggest


class FeatureEncoder(nn.Module):
  """Sum of one embedding per categorical feature."""

  def __init__(self, sizes, width):
    super().__init__()
    self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
    for table in self.tables:
      nn.init.xavier_uniform_(table.weight)

  def forward(self, features):
    return sum(table(features[:, i]) for i, table in enumerate(self.tables))


class GCNConv(pyg.MessagePassing):
  """OGB's GCN layer with bond features."""

  def __init__(self, width, edge_sizes):
    super().__init__(aggr="add")
    self.linear = nn.Linear(width, width)
    self.root = nn.Embedding(1, width)
    self.bonds = FeatureEncoder(edge_sizes, width)

  def forward(self, x, edge_index, edge_attr):
    x = self.linear(x)
    sender, receiver = edge_index
    deg = degree(sender, x.size(0), dtype=x.dtype) + 1
    scale = deg.pow(-0.5)
    norm = scale[sender] * scale[receiver]
    aggregated = self.propagate(
      edge_index, x=x, edge_attr=self.bonds(edge_attr), norm=norm
    )
    return aggregated + torch.relu(x + self.root.weight) / deg.view(-1, 1)

  def message(self, x_j, edge_attr, norm):
    return norm.view(-1, 1) * torch.relu(x_j + edge_attr)


class GINConv(pyg.MessagePassing):
  """OGB's GIN layer with bond features."""

  def __init__(self, width, edge_sizes):
    super().__init__(aggr="add")
    self.mlp = nn.Sequential(
      nn.Linear(width, 2 * width),
      nn.BatchNorm1d(2 * width),
      nn.ReLU(),
      nn.Linear(2 * width, width),
    )
    self.eps = nn.Parameter(torch.zeros(1))
    self.bonds = FeatureEncoder(edge_sizes, width)

  def forward(self, x, edge_index, edge_attr):
    aggregated = self.propagate(
      edge_index, x=x, edge_attr=self.bonds(edge_attr)
    )
    return self.mlp((1 + self.eps) * x + aggregated)

  def message(self, x_j, edge_attr):
    return torch.relu(x_j + edge_attr)


# Our names of those that there are.
LAYERS = {"gcn": GCNConv, "gin": GINConv}


class Model(nn.Module):
  """Encoder, message passing, pooling, linear head; OGB's GNN."""

  def __init__(self, schema, config, sizes=()):
    super().__init__()
    passing = config.message_passing
    width = passing.width
    if passing.name not in LAYERS:
      raise ValueError(
        f"no peer for message passing {passing.name!r}."
        f"{suggest(passing.name, LAYERS)}"
      )
    layer = LAYERS[passing.name]
    self.dropout = passing.dropout
    self.atoms = FeatureEncoder(schema.node_sizes, width)
    self.layers = nn.ModuleList(
      layer(width, schema.edge_sizes) for _ in range(passing.num_layers)
    )
    self.norms = nn.ModuleList(
      nn.BatchNorm1d(width) for _ in range(passing.num_layers)
    )
    name = config.readout.name
    if name not in PEERS:
      raise ValueError(f"no peer for readout {name!r}.{suggest(name, PEERS)}")
    sizes = torch.from_numpy(np.asarray(sizes, np.int64))
    self.pool = PEERS[name](width, sizes)
    self.head = nn.Linear(width, schema.num_tasks)

  def forward(self, nodes, edge_index, edge_attr, batch, num_graphs):
    h = self.atoms(nodes)
    for i, (layer, norm) in enumerate(
      zip(self.layers, self.norms, strict=True)
    ):
      h = norm(layer(h, edge_index, edge_attr))
      if i < len(self.layers) - 1:
        h = torch.relu(h)
      h = nn.functional.dropout(h, self.dropout, self.training)
    return self.head(self.pool(h, batch, dim_size=num_graphs))


def to_torch(graphs: jraph.GraphsTuple) -> tuple:
  """Returns one of our padded batches as tensors, its padding cut off."""
  real = graphs.globals["mask"]
  num_nodes = int(graphs.n_node[real].sum())
  num_edges = int(graphs.n_edge[real].sum())
  num_graphs = int(real.sum())
  batch = np.repeat(np.arange(num_graphs), graphs.n_node[real])
  edges = np.stack([graphs.senders[:num_edges], graphs.receivers[:num_edges]])
  return (
    torch.from_numpy(graphs.nodes[:num_nodes].astype(np.int64)),
    torch.from_numpy(edges.astype(np.int64)),
    torch.from_numpy(graphs.edges[:num_edges].astype(np.int64)),
    torch.from_numpy(batch.astype(np.int64)),
    num_graphs,
    torch.from_numpy(np.asarray(graphs.globals["labels"][real])),
  )


def make_step(model: nn.Module, learning_rate: float):
  """Returns a function of a batch that makes one Adam step on masked BCE."""
  # One pass over all parameters; by default there is one for each of them.
  optimizer = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
  model.train()

  def step(nodes, edge_index, edge_attr, batch, num_graphs, labels):
    optimizer.zero_grad()
    logits = model(nodes, edge_index, edge_attr, batch, num_graphs)
    known = ~torch.isnan(labels)
    loss = nn.functional.binary_cross_entropy_with_logits(
      logits[known], labels[known]
    )
    loss.backward()
    optimizer.step()
    return loss

  return step


def pairs(model: Model, params, config):
  """Yields (ours, parameter) for every parameter, in PyTorch's layout.

  Args:
    model: The peer.
    params: Parameters, or gradients, of our model of the same config.
    config: The `model` part of the config.
  """
  name = config.message_passing.name

  def linear(ours, theirs):
    yield np.asarray(ours["w"]).T, theirs.weight
    yield np.asarray(ours["b"]), theirs.bias

  def norm(ours, theirs):
    yield np.asarray(ours["scale"]), theirs.weight
    yield np.asarray(ours["offset"]), theirs.bias

  def tables(ours, encoder):
    sizes = [table.num_embeddings for table in encoder.tables]
    rows = np.split(np.asarray(ours), np.cumsum(sizes)[:-1])
    for row, table in zip(rows, encoder.tables, strict=True):
      yield row, table.weight

  yield from tables(params["nodes"]["table"], model.atoms)
  for i, (layer, outer) in enumerate(
    zip(model.layers, model.norms, strict=True)
  ):
    path = f"{name}/layer_{i}"
    yield from tables(params[path]["bonds"], layer.bonds)
    if name == "gcn":
      yield from linear(params[f"{path}/linear"], layer.linear)
      yield np.asarray(params[path]["root"])[None], layer.root.weight
    else:
      yield np.asarray(params[path]["epsilon"])[None], layer.eps
      yield from linear(params[f"{path}/linear_1"], layer.mlp[0])
      yield from norm(params[f"{path}/norm"], layer.mlp[1])
      yield from linear(params[f"{path}/linear_2"], layer.mlp[3])
    yield from norm(params[f"{name}/norm_{i}"], outer)
  yield from linear(params["head"], model.head)


def copy_parameters(model: Model, params, config) -> None:
  """Gives the peer our parameters."""
  with torch.no_grad():
    for ours, theirs in pairs(model, params, config):
      theirs.copy_(torch.tensor(np.asarray(ours)))
