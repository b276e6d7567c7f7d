"""PyTorch Geometric's readouts under our names: the peers to be measured.

Where it has none, the authors' program is written with its functions. Needs
the `peers` extra.
"""

from __future__ import annotations

import torch
import torch_geometric.nn as pyg
from torch import nn
from torch_geometric.nn import aggr
from torch_geometric.utils import softmax, to_dense_batch


class Attention(nn.Module):
  """Multi-head attention with one learned query per head, on ragged sets."""

  def __init__(self, width, heads=4):
    super().__init__()
    self.key = nn.Linear(width, width, bias=False)
    self.value = nn.Linear(width, width)
    self.query = nn.Parameter(torch.randn(heads, width // heads))

  def forward(self, x, index, dim_size):
    heads, size = self.query.shape
    keys = self.key(x).view(-1, heads, size)
    scores = (keys * self.query).sum(-1) / size**0.5
    weights = softmax(scores, index, num_nodes=dim_size)
    values = self.value(x).view(-1, heads, size) * weights[:, :, None]
    zeros = values.new_zeros(dim_size, heads * size)
    return zeros.index_add(0, index, values.flatten(1))


class FSPool(nn.Module):
  """Featurewise sort pooling of padded sets, as its authors wrote it."""

  def __init__(self, width, knots=20):
    super().__init__()
    self.knots = nn.Parameter(torch.ones(width, knots))

  def forward(self, x, index, dim_size):
    dense, mask = to_dense_batch(x, index, fill_value=-99999.0)  # [S, M, D]
    dense = dense.transpose(1, 2).sort(dim=2, descending=True)[0]
    count = mask.sum(1, keepdim=True)  # [S, 1]
    ranks = torch.arange(mask.shape[1], device=x.device)
    ratios = ranks / (count - 1).clamp(min=1)  # [S, M]
    last = self.knots.shape[1] - 1
    places = last * ratios.clamp(max=1)[:, None, :].expand(-1, x.shape[1], -1)
    low = places.long()
    high = (low + 1).clamp(max=last)
    table = self.knots.expand(len(dense), -1, -1)
    share = places - low
    weights = (1 - share) * table.gather(2, low) + share * table.gather(2, high)
    return (dense * weights * mask[:, None]).sum(2)


class PNA(nn.Module):
  """Principal neighbourhood aggregation with a linear map behind it."""

  def __init__(self, width, degrees):
    super().__init__()
    self.pool = aggr.DegreeScalerAggregation(
      ["mean", "max", "min", "std"],
      ["identity", "amplification", "attenuation"],
      torch.bincount(degrees),
    )
    self.linear = nn.Linear(12 * width, width)

  def forward(self, x, index, dim_size):
    return self.linear(self.pool(x, index, dim_size=dim_size))


class Resized(nn.Module):
  """A readout of several vectors, with a linear map to one behind it."""

  def __init__(self, pool, vectors, width):
    super().__init__()
    self.pool = pool
    self.linear = nn.Linear(vectors * width, width)

  def forward(self, x, index, dim_size):
    return self.linear(self.pool(x, index, dim_size=dim_size))


def _kept(sizes: torch.Tensor) -> int:
  """Returns k of `sort_pool`, as ours measures it."""
  return int(sizes.float().quantile(0.4, interpolation="lower"))


def _mlp(width: int, layers: int) -> nn.Module:
  return pyg.MLP([width] * (layers + 1), norm=None)


# From (width, sizes of the sets) to a module of (x, index, dim_size).
PEERS = {
  "attention": lambda width, sizes: Attention(width),
  "deep_sets": lambda width, sizes: aggr.DeepSetsAggregation(
    _mlp(width, 2), _mlp(width, 2)
  ),
  # Its potential has one output, and a skip from the input to every layer.
  "equilibrium": lambda width, sizes: aggr.EquilibriumAggregation(
    width, width, [2 * width, width], grad_iter=15
  ),
  "fspool": lambda width, sizes: FSPool(width),
  "gated_attention": lambda width, sizes: aggr.AttentionalAggregation(
    nn.Linear(width, 1)
  ),
  "max": lambda width, sizes: aggr.MaxAggregation(),
  "mean": lambda width, sizes: aggr.MeanAggregation(),
  "median": lambda width, sizes: aggr.MedianAggregation(),
  "min": lambda width, sizes: aggr.MinAggregation(),
  "multiset_transformer": lambda width, sizes: aggr.GraphMultisetTransformer(
    width, k=8, heads=4
  ),
  "pna": PNA,
  "power_mean": lambda width, sizes: aggr.PowerMeanAggregation(learn=True),
  "quantile": lambda width, sizes: Resized(
    aggr.QuantileAggregation([0.0, 0.25, 0.5, 0.75, 1.0]), 5, width
  ),
  "set2set": lambda width, sizes: Resized(
    aggr.Set2Set(width, processing_steps=3), 2, width
  ),
  "set_transformer": lambda width, sizes: aggr.SetTransformerAggregation(
    width, num_encoder_blocks=2, heads=4
  ),
  "softmax": lambda width, sizes: aggr.SoftmaxAggregation(learn=True),
  "sort_pool": lambda width, sizes: Resized(
    aggr.SortAggregation(_kept(sizes)), _kept(sizes), width
  ),
  "std": lambda width, sizes: aggr.StdAggregation(),
  "sum": lambda width, sizes: aggr.SumAggregation(),
  "var": lambda width, sizes: aggr.VarAggregation(),
  "variance_preserving": lambda width, sizes: (
    aggr.VariancePreservingAggregation()
  ),
}
