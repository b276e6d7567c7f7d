"""DSPN and PO-U in PyTorch, written anew after their authors' layout.

Sets are dense and all of a batch is computed at once; the inner loop keeps its
graph and is differentiated by autograd. Each takes our parameters, so that both
sides compute the same. Needs the `peers` extra.

Reference: Zhang, Hare and Prügel-Bennett 2019, "Deep Set Prediction Networks"
and "Learning Representations of Sets through Optimized Permutations".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn.functional import smooth_l1_loss

Params = Mapping[str, Mapping[str, np.ndarray]]


def _tensor(x: np.ndarray) -> torch.Tensor:
  return torch.tensor(np.asarray(x), dtype=torch.float32)


class DSPN(nn.Module):
  """An auto-encoder of sets with a mask, its encoder a network and FSPool."""

  def __init__(self, params: Params, model: Mapping[str, Any], loss: str):
    super().__init__()
    names = sorted(name for name in params if name.startswith("element_"))
    layers: list[nn.Module] = []
    for name in names:
      weight, bias = (_tensor(params[name][x]) for x in ("w", "b"))
      layer = nn.Conv1d(*weight.shape, 1)
      layer.weight.data, layer.bias.data = weight.T[:, :, None], bias
      layers += [layer, nn.ReLU()]
    self.network = nn.Sequential(*layers[:-1])
    self.knots = nn.Parameter(_tensor(params["fs_pool"]["knots"]).T)  # [L, k]
    self.start = nn.Parameter(_tensor(params["start"]["sets"]).T)  # [d + 1, n]
    self.rate, self.steps = model["inner_learning_rate"], model["num_steps"]
    self.set_loss = {"chamfer": _chamfer, "hungarian": _hungarian}[loss]

  def encode(self, sets: torch.Tensor) -> torch.Tensor:
    """Returns [S, L] of [S, d + 1, n]."""
    size = sets.shape[2]
    x = self.network(sets) / size  # [S, L, n]
    last = self.knots.shape[1] - 1
    places = torch.linspace(0, last, size)
    low = places.long().clamp(max=last - 1)
    share = places - low
    weights = self.knots[:, low] * (1 - share) + self.knots[:, low + 1] * share
    return (x.sort(dim=2, descending=True)[0] * weights).sum(2)

  def forward(self, target: torch.Tensor) -> torch.Tensor:
    """Returns the loss of [S, d + 1, n]."""
    z = self.encode(target)
    start = self.start.expand(len(target), -1, -1)
    sets, mask = start[:, :-1], start[:, -1:].clamp(0, 1)
    found = [torch.cat([sets, mask], 1)]
    for _ in range(self.steps):
      own = self.encode(torch.cat([sets, mask], 1))
      # The mean over L for each set.
      energy = smooth_l1_loss(own, z, reduction="sum") / z.shape[1]
      slopes = torch.autograd.grad(energy, (sets, mask), create_graph=True)
      sets = sets - self.rate * slopes[0]
      mask = (mask - self.rate * slopes[1]).clamp(0, 1)
      found.append(torch.cat([sets, mask], 1))
    losses = self.set_loss(
      torch.stack(found), target.expand(len(found), *target.shape)
    )
    return losses.mean()


def _costs(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
  """Returns [T, S, n, n] of [T, S, d, n], by Huber's function."""
  one, two = torch.broadcast_tensors(found[..., None], target[..., None, :])
  return smooth_l1_loss(one, two, reduction="none").mean(2)


def _chamfer(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
  costs = _costs(found, target)
  return costs.min(2)[0].mean(2) + costs.min(3)[0].mean(2)


def _hungarian(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
  costs = _costs(found, target).flatten(0, 1)
  pairs = [linear_sum_assignment(x) for x in costs.detach().numpy()]
  picked = [x[i, j].mean() for x, (i, j) in zip(costs, pairs, strict=True)]
  return torch.stack(picked)


class POU(nn.Module):
  """Numbers sorted by an order that is optimised from the uniform one."""

  def __init__(self, params: Params, model: Mapping[str, Any]):
    super().__init__()
    first, second, last = (
      params[f"costs_{name}"] for name in ("first", "second", "last")
    )
    width = len(first["b"])
    self.pairs = nn.Linear(2, width)
    weight = np.concatenate([first["w"], second["w"]]).T  # [H, 2]
    self.pairs.weight.data = _tensor(weight)
    self.pairs.bias.data = _tensor(first["b"])
    self.last = nn.Linear(width, 1)
    self.last.weight.data = _tensor(last["w"]).T.contiguous()
    self.rate = nn.Parameter(_tensor(params["~"]["rate"]))
    self.steps, self.rounds = model["num_steps"], model["num_rounds"]

  def forward(self, numbers: torch.Tensor) -> torch.Tensor:
    """Returns the loss of [S, N]."""
    size = numbers.shape[1]
    pairs = torch.stack(
      [
        numbers[:, :, None].expand(-1, -1, size),
        numbers[:, None].expand(-1, size, -1),
      ],
      dim=-1,
    )
    costs = self.last(self.pairs(pairs).relu())[..., 0]  # [S, N, N]
    costs = costs - costs.transpose(1, 2)
    norm = costs.flatten(1).norm(dim=1).clamp(min=1e-10)
    costs = costs / norm[:, None, None]
    logits = torch.zeros_like(costs)
    for _ in range(self.steps):
      p = self.sinkhorn(logits)
      sums = p.cumsum(2)
      after = sums[..., -1:] - 2 * sums + p
      logits = logits - self.rate.abs() * 2 * costs @ after
    p = self.sinkhorn(logits)
    found = (p * numbers[:, :, None]).sum(1)
    return ((found - numbers.sort(1)[0]) ** 2).mean()

  def sinkhorn(self, logits: torch.Tensor) -> torch.Tensor:
    """Returns P [S, N, N], in the plain domain as its authors do."""
    p = logits.softmax(2)
    for k in range(self.rounds):
      if k:
        p = p / p.sum(2, keepdim=True)
      p = p / p.sum(1, keepdim=True)
    return p


def dspn(params: Params, config: Mapping[str, Any]) -> nn.Module:
  """Returns the module of a config of `set_prediction`."""
  return DSPN(params, config["model"], config["loss"])


def po_u(params: Params, config: Mapping[str, Any]) -> nn.Module:
  """Returns the module of a config of `sorting`."""
  return POU(params, config["model"])


def to_torch(batch: Any) -> torch.Tensor:
  """Returns a batch of ours as these modules take it."""
  if hasattr(batch, "sets"):
    return _tensor(batch.sets).transpose(1, 2).contiguous()
  return _tensor(batch)


def make_step(
  module: nn.Module, learning_rate: float
) -> Callable[[torch.Tensor], None]:
  """Returns a function that makes a step of Adam on a batch."""
  optimizer = torch.optim.Adam(module.parameters(), learning_rate)

  def step(batch: torch.Tensor) -> None:
    optimizer.zero_grad()
    module(batch).backward()
    optimizer.step()

  return step
