r"""Trains a model, or goes on with a run that was stopped.

python -m launch.train --config=configs/molpcba.py:gcn,sum \
  --config.dataset=ogbg-molhiv --workdir=runs/gcn_sum

SIGTERM and Ctrl-C save a checkpoint and exit with status 0; the same command
goes on from there. At the end WORKDIR/record.json holds the test result.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli
from gnn_readout.runs import devices

_CONFIG = cli.define_config(
  "What to train, such as configs/molpcba.py:gcn,sum."
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The folder of this run.", required=True
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "The data folder.")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "Converted data.")


def main(argv: Sequence[str]) -> None:
  """Trains what the flags name."""
  del argv
  if _CONFIG.value.get("population", ""):
    devices.use_all_cores()
  from gnn_readout.training import trainer

  trainer.train(
    _CONFIG.value,
    _WORKDIR.value,
    _DATA_DIR.value,
    _CACHE_DIR.value,
    command=cli.command("launch.train"),
  )


if __name__ == "__main__":
  cli.run(main)
