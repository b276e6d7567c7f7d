r"""Trains a model, or resumes a run that was stopped.

python -m launch.train --config=configs/molpcba.py:gcn,sum \
  --config.dataset=ogbg-molhiv --workdir=runs/gcn_sum

SIGTERM, Ctrl-C and a closed terminal save a checkpoint and exit with status 0;
the same command resumes the run, and with a greater length it also extends a
complete one. At the end WORKDIR/record.json holds the test result; a population
has one WORKDIR/members/NAME/record.json per member.

Several processes train one model if Slurm or Open MPI starts them together, or
if each is given the address of process 0:

python -m launch.train ... --coordinator=HOST:PORT --num_processes=2 \
  --process_id=0
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli
from gnn_readout.runs import devices, processes

_CONFIG = cli.define_config(
  "Train this config, such as configs/molpcba.py:gcn,sum;"
  " --config.FIELD=VALUE sets one of its fields."
)
_WORKDIR = cli.define_workdir(
  "Folder of the run's checkpoints, curves and record. A run that was stopped"
  " in this folder resumes."
)
_FROM_BEST = flags.DEFINE_bool(
  "from_best",
  False,
  "Resume from the best checkpoint if the latest one is damaged.",
)
_DATA_DIR = cli.define_data_dir()
_CACHE_DIR = cli.define_cache_dir()
_COORDINATOR = flags.DEFINE_string(
  "coordinator",
  None,
  "Address, as HOST:PORT, at which process 0 waits for the others (default:"
  " a single process).",
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes",
  None,
  "Number of processes that train one model together (default: one).",
  1,
)
_PROCESS_ID = flags.DEFINE_integer(
  "process_id",
  None,
  "Number of this process, from 0 to --num_processes - 1.",
  0,
)


def main(argv: Sequence[str]) -> None:
  """Trains what the flags name."""
  del argv
  config = _CONFIG.value
  together = processes.join(
    _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value
  )
  devices.use_cores(
    config.get("num_devices", 0), bool(config.get("population", "")), together
  )
  from gnn_readout.training import trainer

  trainer.train(
    config,
    _WORKDIR.value,
    _DATA_DIR.value,
    _CACHE_DIR.value,
    command=cli.command("launch.train"),
    from_best=_FROM_BEST.value,
  )


if __name__ == "__main__":
  cli.run(main, resumes=True)
