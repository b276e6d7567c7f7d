"""Graph readouts in JAX: how a set of node embeddings becomes one vector.

`gnn_readout.minimise` is the function, and `graphs`, `potentials`, `readouts`,
`segments` and `transport` are the modules of that name. They are imported when
they are first asked for, so that `import gnn_readout` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = ("graphs", "potentials", "readouts", "segments", "transport")

__all__ = ["minimise", *_MODULES]


def __getattr__(name: str) -> Any:
  if name == "minimise":
    return importlib.import_module("gnn_readout.minimisation").minimise
  if name in _MODULES:
    return importlib.import_module(f"gnn_readout.{name}")
  raise AttributeError(f"module 'gnn_readout' has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
