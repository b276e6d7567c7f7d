r"""Runs all runs of a sweep that have no complete record yet.

python -m launch.sweep --sweep=configs/molpcba.py:table2 \
  --workdir=runs/table2 --set dataset=ogbg-moltox21 --set num_epochs=20

Runs that differ only in fields such as seed, learning rate, dropout rate or
fold are trained together as a population, unless --notogether is given.

Each run has the folder WORKDIR/NAME, with its output in log.txt. A run that
dies resumes from its checkpoint, at most twice in a row without a later one;
then it has failed, and the exit status is 1. Ctrl-C, SIGTERM and a closed
terminal let the runs save and exit with status 0; the same command resumes
them. A dry run times a few steps and prints which runs are left and how many
hours they will take.

With --cluster=slurm the runs are a job array of Slurm; --print_commands prints
one command per run for any other launcher.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_SWEEP = flags.DEFINE_string(
  "sweep",
  None,
  "The sweep to run, as FILE:NAME, where NAME is a function in the config"
  " file FILE.",
  required=True,
)
_WORKDIR = cli.define_workdir("Folder of the sweep; one subfolder per run.")
_SET = flags.DEFINE_multi_string(
  "set",
  [],
  "Set a config field of every run, as FIELD=VALUE.",
)
_WORKERS = flags.DEFINE_integer(
  "workers",
  1,
  "Number of runs at a time, each on its share of the CPU cores. On an"
  " accelerator, divide its memory among them with"
  " XLA_PYTHON_CLIENT_MEM_FRACTION.",
  lower_bound=1,
)
_TOGETHER = flags.DEFINE_bool(
  "together",
  True,
  "Train runs that differ only in fields such as seed, learning rate, dropout"
  " rate or fold as one program.",
)
_DRY_RUN = flags.DEFINE_bool(
  "dry_run",
  False,
  "Time a few steps of each model and print which runs are left and how"
  " long they will take, in hours; train nothing.",
)
_PRINT_COMMANDS = flags.DEFINE_bool(
  "print_commands",
  False,
  "Print one command for each run that is left; run nothing.",
)
_RECORDS = flags.DEFINE_string(
  "records",
  None,
  "Copy all records to this folder, as SWEEP_NAME.json (default: no copies"
  " are made).",
)
_DATA_DIR = cli.define_data_dir()
_CACHE_DIR = cli.define_cache_dir()
_SLURM = cli.define_cluster()


def main(argv: Sequence[str]) -> int:
  """Does what the flags name."""
  del argv
  from gnn_readout.sweeps import definitions, forecast, sweep

  name, runs = definitions.read(_SWEEP.value, _SET.value, _TOGETHER.value)
  folders = _DATA_DIR.value, _CACHE_DIR.value
  if _PRINT_COMMANDS.value:
    sweep.print_commands(runs, _WORKDIR.value, *folders)
    return 0
  if _DRY_RUN.value:
    forecast.print_plan(runs, _WORKDIR.value, _WORKERS.value, *folders)
    return 0
  engine = sweep.make_engine(_WORKDIR.value, _WORKERS.value, _SLURM())
  given = _WORKDIR.value, engine, *folders, _RECORDS.value, name
  return 0 if sweep.run_sweep(runs, *given) else 1


if __name__ == "__main__":
  cli.run(main, resumes=True)
