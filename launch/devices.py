"""Cores as devices: a population spreads its members over them."""

from __future__ import annotations

import os


def use_all_cores() -> None:
  """Makes every CPU core that may be used a device of JAX.

  To be called before JAX looks for its devices; accelerators are not touched.
  """
  import jax

  jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
