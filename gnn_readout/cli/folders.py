"""The flags of folders that several binaries have."""

from __future__ import annotations

from absl import flags


def define_workdir(help_text: str) -> flags.FlagHolder:
  """Defines --workdir, which must be given.

  Args:
    help_text: What the folder is for.
  """
  return flags.DEFINE_string("workdir", None, help_text, required=True)


def define_data_dir() -> flags.FlagHolder:
  """Defines --data_dir; its value is None where it is not given."""
  return flags.DEFINE_string(
    "data_dir",
    None,
    "Folder of the downloaded datasets (default: $GNN_READOUT_DATA, or else"
    " ./data).",
  )


def define_cache_dir() -> flags.FlagHolder:
  """Defines --cache_dir; its value is None where it is not given."""
  return flags.DEFINE_string(
    "cache_dir",
    None,
    "Folder in which converted datasets and compiled programs are cached"
    " (default: $GNN_READOUT_CACHE, or else ~/.cache/gnn_readout).",
  )
