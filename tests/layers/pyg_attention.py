"""Attention blocks of PyTorch Geometric, and their weights under our names."""

from __future__ import annotations

import numpy as np
import torch


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
  """Returns the module in float64, no parameter at zero."""
  generator = torch.Generator().manual_seed(seed)
  module = module.double().eval()
  with torch.no_grad():
    for parameter in module.parameters():
      parameter.normal_(0.0, 0.5, generator=generator)
  return module


def _array(tensor):
  return tensor.detach().numpy()


def linear(weight, bias):
  return {"w": _array(weight).T, "b": _array(bias)}


def attention_block(mab, prefix: str) -> dict:
  """Parameters of MAB; the bias of the keys has no counterpart: see there."""
  weights = mab.attn.in_proj_weight.chunk(3)
  biases = mab.attn.in_proj_bias.chunk(3)
  params = {
    prefix: {"key": _array(weights[1]).T},
    f"{prefix}/query": linear(weights[0], biases[0]),
    f"{prefix}/value": linear(weights[2], biases[2]),
    f"{prefix}/attended": linear(
      mab.attn.out_proj.weight, mab.attn.out_proj.bias
    ),
    f"{prefix}/forward": linear(mab.lin.weight, mab.lin.bias),
  }
  norms = {"attended": mab.layer_norm1, "forward": mab.layer_norm2}
  for name, norm in norms.items():
    if norm is not None:
      params[f"{prefix}/norm_{name}"] = {
        "scale": _array(norm.weight),
        "offset": _array(norm.bias),
      }
  return params


def pooling(pma, prefix: str) -> dict:
  """Parameters of PMA."""
  return {
    prefix: {"seeds": _array(pma.seed)[0]},
    f"{prefix}/forward": linear(pma.lin.weight, pma.lin.bias),
    **attention_block(pma.mab, f"{prefix}/attend"),
  }


def induced(isab, prefix: str) -> dict:
  """Parameters of ISAB."""
  return {
    prefix: {"points": _array(isab.ind)[0]},
    **attention_block(isab.mab1, f"{prefix}/induce"),
    **attention_block(isab.mab2, f"{prefix}/spread"),
  }


def dense(elements: np.ndarray, sizes, width: int):
  """Returns elements [S, M, D] and their mask [S, M] as tensors."""
  rows = np.zeros((len(sizes), max(sizes), width))
  mask = np.arange(max(sizes)) < np.asarray(sizes)[:, None]
  rows[mask] = elements[: sum(sizes)]
  return torch.tensor(rows), torch.tensor(mask)
