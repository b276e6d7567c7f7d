"""The flags of sweeps on a cluster."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from absl import flags


def define_cluster() -> Callable[[], dict[str, Any] | None]:
  """Defines --cluster and the flags of Slurm.

  Returns:
    What to call for the arguments of `sweeps.slurm.Options`, or None if the
    sweep runs on this machine.
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

  def options() -> dict[str, Any] | None:
    if cluster.value is None:
      return None
    return {
      "partition": partition.value,
      "time": time.value,
      "gres": gres.value,
      "max_running": max_running.value,
      "more": shlex.split(more.value),
    }

  return options
