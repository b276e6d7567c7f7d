"""Where datasets and their converted forms lie, unless told otherwise."""

from __future__ import annotations

import os
import pathlib
import tempfile


def data_folder(path: str | os.PathLike[str] | None = None) -> pathlib.Path:
  """Returns `path`, else `$GNN_READOUT_DATA`, else `./data`."""
  return pathlib.Path(path or os.environ.get("GNN_READOUT_DATA") or "data")


def cache_folder(path: str | os.PathLike[str] | None = None) -> pathlib.Path:
  """Returns `path`, else `$GNN_READOUT_CACHE`, else `~/.cache/gnn_readout`.

  Who has no home, as in a container, has a folder of temporary files instead.
  """
  if path := path or os.environ.get("GNN_READOUT_CACHE"):
    return pathlib.Path(path)
  try:
    return pathlib.Path.home() / ".cache" / "gnn_readout"
  except RuntimeError:
    return pathlib.Path(tempfile.gettempdir()) / f"gnn_readout-{os.getuid()}"
