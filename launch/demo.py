"""Trains a few readouts on molecules made offline and prints a table.

python -m launch.demo

Runs that are complete in WORKDIR are shown, not repeated.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli, programs

_WORKDIR = flags.DEFINE_string(
  "workdir", "runs/demo", "Folder of the demo; one subfolder per run."
)
_CACHE_DIR = cli.define_cache_dir()


def main(argv: Sequence[str]) -> None:
  """Trains every readout of configs/demo.py."""
  del argv
  from benchmarks import timing
  from configs import demo
  from gnn_readout.training import trainer

  rows = []
  for readout in demo.READOUTS:
    workdir = os.path.join(_WORKDIR.value, readout)
    command = programs.spelled(
      f"python -m launch.train --config=configs/demo.py:{readout}"
    )
    config = demo.get_config(readout)
    records = trainer.train(
      config, workdir, cache_dir=_CACHE_DIR.value, command=command
    )
    if records is None:
      return
    (record,) = records
    rows.append(
      [
        readout,
        f"{record['num_parameters']:,}",
        f"{record['best']['valid']:.3f}",
        f"{record['test']['value']:.3f}",
        f"{record['graphs_per_second']:,.0f}",
        f"{record['wall_seconds']:.0f}",
      ]
    )
  timing.print_table(
    "Mean average precision of a GCN on 3,000 generated molecules with 128"
    " tasks",
    ["readout", "parameters", "valid", "test", "graphs/s", "seconds"],
    rows,
  )


if __name__ == "__main__":
  cli.run(main, resumes=True)
