"""What every binary does the same way: flags in, one clear line on error."""

from gnn_readout.cli.config import (
  command,
  define_config,
  parse_config,
  read_config_file,
)
from gnn_readout.cli.main import run

__all__ = [
  "command",
  "define_config",
  "parse_config",
  "read_config_file",
  "run",
]
