"""What every binary does the same way: flags in, one clear line on error.

It imports `runs` and `config_fields`, and nothing that takes long.
"""

from gnn_readout.cli.cluster import define_cluster
from gnn_readout.cli.config import (
  command,
  define_config,
  parse_config,
  read_config_file,
)
from gnn_readout.cli.folders import (
  define_cache_dir,
  define_data_dir,
  define_workdir,
)
from gnn_readout.cli.main import run

__all__ = [
  "command",
  "define_cache_dir",
  "define_cluster",
  "define_config",
  "define_data_dir",
  "define_workdir",
  "parse_config",
  "read_config_file",
  "run",
]
