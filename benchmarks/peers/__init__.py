"""The peers, written with PyTorch Geometric or after a paper's listing.

`pyg_readouts` has its readouts under our names, `pyg_molecules` and `pyg_tu`
whole models. They import PyTorch when one of them is used, not before.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class Unavailable(ValueError):
  """A peer that cannot be measured here; the message says why."""


def load(name: str) -> ModuleType:
  """Returns a module of this folder.

  Raises:
    Unavailable: If it needs what is not installed.
  """
  try:
    return importlib.import_module(f"benchmarks.peers.{name}")
  except ImportError as error:
    raise Unavailable(
      f"the peer needs {error.name}: pip install '.[peers]'"
    ) from error


def torch_device() -> Any:
  """Returns PyTorch's name for the device that JAX computes on.

  Raises:
    Unavailable: If PyTorch cannot compute there.
  """
  import jax
  import torch

  platform = jax.default_backend()
  if platform == "cpu":
    return torch.device("cpu")
  if platform == "gpu" and torch.cuda.is_available():
    return torch.device("cuda")
  raise Unavailable(
    f"PyTorch {torch.__version__} cannot compute on the {platform} that JAX"
    " uses"
  )


def wait(device: Any) -> None:
  """Waits until a device of PyTorch has done what it was told."""
  if device.type == "cuda":
    import torch

    torch.cuda.synchronize()
