"""The flags of folders that several binaries have."""

from __future__ import annotations

from absl import flags


def define_workdir(help_text: str) -> flags.FlagHolder:
  """Defines --workdir, which must be given.

  Args:
    help_text: What becomes of the folder.
  """
  return flags.DEFINE_string("workdir", None, help_text, required=True)


def define_data_dir() -> flags.FlagHolder:
  """Defines --data_dir; its value is None where it is not given."""
  return flags.DEFINE_string(
    "data_dir",
    None,
    "Datasets lie in this folder; if it is not given, in $GNN_READOUT_DATA or"
    " else in ./data.",
  )


def define_cache_dir() -> flags.FlagHolder:
  """Defines --cache_dir; its value is None where it is not given."""
  return flags.DEFINE_string(
    "cache_dir",
    None,
    "Converted datasets are kept in this folder; if it is not given, in"
    " $GNN_READOUT_CACHE or else in ~/.cache/gnn_readout.",
  )
