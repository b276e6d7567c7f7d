"""Cores as devices: a population spreads its members over them."""

from __future__ import annotations

import os


def use_all_cores(num_workers: int = 1) -> None:
  """Makes every CPU core that may be used a device of JAX.

  To be called before JAX looks for its devices; accelerators are not touched.

  Args:
    num_workers: How many such processes share the cores.
  """
  import jax

  from gnn_readout.training import workers

  cores = workers.shares_of_cores(num_workers)[0] or os.sched_getaffinity(0)
  jax.config.update("jax_num_cpu_devices", len(cores))
