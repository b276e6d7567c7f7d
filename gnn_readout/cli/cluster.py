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
    "The cluster that runs the sweep (default: this machine). With 'slurm'"
    " the runs are one job array and resume after preemption, a time limit or"
    " a requeue. This process watches them; if it ends, the same command"
    " watches them again.",
  )
  partition = flags.DEFINE_string(
    "slurm.partition",
    None,
    "Submit to this partition of Slurm, such as 'gpu' (default: the"
    " cluster's own).",
  )
  time = flags.DEFINE_string(
    "slurm.time",
    None,
    "Time limit of one job, as Slurm writes it, such as '12:00:00' (default:"
    " the partition's own). A run that reaches it is saved and submitted"
    " again.",
  )
  gres = flags.DEFINE_string(
    "slurm.gres",
    None,
    "Generic resources that each run needs, such as 'gpu:1' (default: none).",
  )
  max_running = flags.DEFINE_integer(
    "slurm.max_running",
    0,
    "Largest number of runs at a time; 0 leaves the number to Slurm.",
    lower_bound=0,
  )
  more = flags.DEFINE_string(
    "slurm.more",
    "",
    "Further options for sbatch, such as '--mem=16G --cpus-per-task=4'.",
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
