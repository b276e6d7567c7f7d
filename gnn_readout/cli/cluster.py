"""The flags of sweeps on a cluster."""

from __future__ import annotations

import functools
import pathlib
import shlex
from collections.abc import Callable

from absl import flags


def define_cluster() -> Callable[[str, int], functools.partial]:
  """Defines --cluster and the flags of Slurm.

  Returns:
    A function of the sweep's folder and the number of processes at a time on
    this machine, which returns the engine that runs the sweep.
  """
  cluster = flags.DEFINE_enum(
    "cluster",
    None,
    ["slurm"],
    "What runs the sweep; without it, this machine. 'slurm': one job array,"
    " whose runs go on after preemption, a time limit or a requeue. This"
    " process watches them; after its end the same command watches on.",
  )
  partition = flags.DEFINE_string(
    "slurm.partition", None, "The partition, such as 'gpu'."
  )
  time = flags.DEFINE_string(
    "slurm.time",
    None,
    "The limit of one run, such as '12:00:00'; a run that meets it is saved and"
    " submitted again.",
  )
  gres = flags.DEFINE_string(
    "slurm.gres", None, "What each run needs, such as 'gpu:1'."
  )
  max_running = flags.DEFINE_integer(
    "slurm.max_running",
    0,
    "So many runs go at a time; 0: as many as Slurm will.",
    lower_bound=0,
  )
  more = flags.DEFINE_string(
    "slurm.more",
    "",
    "Further options of sbatch, such as '--mem=16G --cpus-per-task=4'.",
  )

  def engine(workdir: str, num_workers: int) -> functools.partial:
    from gnn_readout.sweeps import pool, slurm

    if cluster.value is None:
      return functools.partial(pool.run_jobs, num_workers=num_workers)
    options = slurm.Options(
      partition.value,
      time.value,
      gres.value,
      max_running.value,
      shlex.split(more.value),
    )
    return functools.partial(
      slurm.run_jobs, options=options, folder=pathlib.Path(workdir)
    )

  return engine
