"""The GINs of the TU collection written with PyTorch Geometric: the peer.

Needs the `peers` extra.
"""

from __future__ import annotations

import jraph
import numpy as np
import torch
import torch_geometric.nn as pyg
from torch import nn

from gnn_readout.errors import suggest

POOLS = {
  "max": pyg.global_max_pool,
  "mean": pyg.global_mean_pool,
  "sum": pyg.global_add_pool,
}


class GIN(nn.Module):
  """The thesis' GIN, or GIN-0 where the config has a layerwise head."""

  def __init__(self, num_features, num_classes, config):
    super().__init__()
    passing, head = config.message_passing, config.head
    width = passing.width
    if config.readout.name not in POOLS:
      known = suggest(config.readout.name, POOLS)
      raise ValueError(f"no peer with readout {config.readout.name!r}.{known}")
    self.pool = POOLS[config.readout.name]
    self.dropout = head.dropout_rate
    self.with_input = passing.with_input
    self.is_layerwise = head.name == "layerwise"

    def activation():
      parts = [nn.ReLU(), nn.BatchNorm1d(width)]
      return reversed(parts) if passing.norm_first else parts

    widths = [num_features] + [width] * passing.num_layers
    self.blocks = nn.ModuleList(
      pyg.GINConv(
        nn.Sequential(
          nn.Linear(fan_in, width),
          *activation(),
          nn.Linear(width, width),
          *activation(),
        ),
        eps=fan_in if passing.get("eps") == "inputs" else 0,
      )
      for fan_in in widths[:-1]
    )
    if self.is_layerwise:
      widths = widths if passing.with_input else widths[1:]
      self.heads = nn.ModuleList(nn.Linear(w, num_classes) for w in widths)
    else:
      self.norm = nn.BatchNorm1d(sum(widths[1:]))
      self.heads = nn.ModuleList(
        [
          nn.Linear(sum(widths[1:]), width),
          nn.Linear(width, num_classes),
        ]
      )

  def forward(self, x, edge_index, batch, num_graphs):
    """Returns logits [G, C]."""

    def drop(x):
      return nn.functional.dropout(x, self.dropout, self.training)

    states = [x] if self.with_input else []
    for block in self.blocks:
      x = block(x, edge_index)
      states.append(x)
    if self.is_layerwise:
      pooled = [self.pool(x, batch, num_graphs) for x in states]
      return sum(
        drop(head(x)) for head, x in zip(self.heads, pooled, strict=True)
      )
    x = self.norm(self.pool(torch.cat(states, dim=1), batch, num_graphs))
    first, second = self.heads
    return second(drop(torch.relu(first(x))))


def to_torch(graphs: jraph.GraphsTuple, sizes) -> tuple:
  """Returns one of our padded batches as tensors, its padding cut off.

  Args:
    graphs: A batch of numpy arrays.
    sizes: Vocabulary sizes of the node features.

  Returns:
    One-hot features, edges, the graph of each node, the number of graphs, and
    the classes.
  """
  real = graphs.globals["mask"]
  num_nodes = int(graphs.n_node[real].sum())
  num_edges = int(graphs.n_edge[real].sum())
  batch = np.repeat(np.arange(real.sum()), graphs.n_node[real])
  edges = np.stack([graphs.senders[:num_edges], graphs.receivers[:num_edges]])
  nodes = torch.from_numpy(graphs.nodes[:num_nodes].astype(np.int64))
  hot = [nn.functional.one_hot(nodes[:, i], n) for i, n in enumerate(sizes)]
  return (
    torch.cat(hot, dim=1).to(torch.get_default_dtype()),
    torch.from_numpy(edges.astype(np.int64)),
    torch.from_numpy(batch.astype(np.int64)),
    int(real.sum()),
    torch.from_numpy(graphs.globals["labels"][real, 0].astype(np.int64)),
  )


def make_step(model: nn.Module, learning_rate: float):
  """Returns a function of a batch that makes one step of Adam."""
  # One pass over all parameters; by default there is one for each of them.
  optimizer = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
  model.train()

  def step(x, edge_index, batch, num_graphs, classes):
    optimizer.zero_grad()
    logits = model(x, edge_index, batch, num_graphs)
    loss = nn.functional.cross_entropy(logits, classes)
    loss.backward()
    optimizer.step()
    return loss

  return step


def pairs(model: GIN, params):
  """Yields (ours, parameter) for every parameter, in PyTorch's layout.

  Args:
    model: The peer.
    params: Parameters, or gradients, of our model of the same config.
  """

  def linear(ours, theirs):
    yield np.asarray(ours["w"]).T, theirs.weight
    yield np.asarray(ours["b"]), theirs.bias

  def norm(ours, theirs):
    yield np.asarray(ours["scale"]), theirs.weight
    yield np.asarray(ours["offset"]), theirs.bias

  for i, block in enumerate(model.blocks):
    kinds = {linear: nn.Linear, norm: nn.BatchNorm1d}
    for kind, cls in kinds.items():
      layers = [layer for layer in block.nn if isinstance(layer, cls)]
      for j, layer in enumerate(layers, start=1):
        path = f"gin_blocks/{kind.__name__}_{i}_{j}"
        yield from kind(params[path], layer)
  if model.is_layerwise:
    for i, head in enumerate(model.heads):
      yield from linear(params[f"head_{i}"], head)
  else:
    yield from norm(params["head_norm"], model.norm)
    for i, head in enumerate(model.heads, start=1):
      yield from linear(params[f"head_{i}"], head)


def copy_parameters(model: GIN, params) -> None:
  """Gives the peer our parameters."""
  with torch.no_grad():
    for ours, theirs in pairs(model, params):
      theirs.copy_(torch.tensor(np.asarray(ours)))
