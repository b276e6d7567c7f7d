"""A dataset that a function makes: `module:function` is its name.

The function takes nothing and returns a store, or the folder of one. It is
called once by each process, and what it returns must not change between two.
"""

from __future__ import annotations

import importlib
import os
import re
import sys

from gnn_readout.data import checks
from gnn_readout.data.sources import folder
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import quoted_value, suggest


def is_function(dataset: str) -> bool:
  """Says whether a dataset is the name of a function."""
  return bool(re.fullmatch(r"[^\W\d][\w.]*:[^\W\d]\w*", dataset))


def module_files(dataset: str) -> list[str]:
  """Returns the file of the function's module.

  Raises:
    ValueError: The module cannot be imported.
  """
  module = _module(dataset)
  return [getattr(module, "__file__", None) or module.__name__]


def call(dataset: str) -> GraphStore:
  """Returns the store that the function makes, checked.

  Raises:
    ValueError: There is no such function, it fails, or what it returns is
      neither a store nor the folder of one; the message names it.
    FileNotFoundError: There is no folder where it says.
  """
  module, name = _module(dataset), dataset.partition(":")[2]
  function = getattr(module, name, None)
  if not callable(function):
    known = [x for x in vars(module) if callable(getattr(module, x))]
    raise ValueError(f"{dataset}: no such function.{suggest(name, known)}")
  try:
    made = function()
  except OSError:
    raise
  except Exception as error:  # It may do anything.
    raise ValueError(
      f"{dataset} failed: {type(error).__name__}: {error}"
    ) from error
  if isinstance(made, GraphStore):
    checks.check_store(made, dataset)
    return made
  if isinstance(made, str | os.PathLike):
    folder.store_files(os.fspath(made))
    return folder.read_store(os.fspath(made))
  raise ValueError(
    f"{dataset} returned {quoted_value(made)}, expected a"
    " gnn_readout.data.store.GraphStore, as gnn_readout.data.from_arrays makes,"
    " or the path of its folder"
  )


def _module(dataset: str):
  name = dataset.partition(":")[0]
  here = os.getcwd()
  if here not in sys.path:  # As `python -m` has it, and a script has not.
    sys.path.append(here)
  try:
    return importlib.import_module(name)
  except Exception as error:  # It may hold anything.
    raise ValueError(
      f"{dataset}: cannot import {name}: {type(error).__name__}: {error}"
    ) from error
