"""The peers, written with PyTorch Geometric or after a paper's listing.

`pyg_readouts` has its readouts under our names, `pyg_molecules` and `pyg_tu`
whole models. They import PyTorch when one of them is used, not before.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def load(name: str) -> ModuleType:
  """Returns a module of this folder.

  Raises:
    ValueError: If it needs what is not installed.
  """
  try:
    return importlib.import_module(f"benchmarks.peers.{name}")
  except ImportError as error:
    raise ValueError(
      f"the peer needs {error.name}: pip install '.[peers]'"
    ) from error
