"""Cores as devices: members, or the shares of a batch, spread over them."""

from __future__ import annotations

import itertools
import os


def use_cores(
  num_devices: int, is_population: bool, num_processes: int
) -> None:
  """Makes as many CPU cores devices of JAX as a run has use for.

  To be called before JAX looks for its devices; accelerators are not touched.

  Args:
    num_devices: Over which a batch is spread; 0 or 1: not.
    is_population: Whether members are spread over them.
    num_processes: How many processes train together.
  """
  if is_population:
    return use_all_cores()
  each = -(-num_devices // num_processes)
  if each > 1:
    import jax

    cores = len(os.sched_getaffinity(0))
    jax.config.update("jax_num_cpu_devices", min(each, cores))


def use_all_cores(num_workers: int = 1) -> None:
  """Makes every CPU core that may be used a device of JAX.

  To be called before JAX looks for its devices; accelerators are not touched.

  Args:
    num_workers: How many such processes share the cores.
  """
  import jax

  cores = shares_of_cores(num_workers)[0] or os.sched_getaffinity(0)
  jax.config.update("jax_num_cpu_devices", len(cores))


def shares_of_cores(num_workers: int) -> list[set[int]]:
  """Returns the cores of each worker; empty sets if there are too few.

  Args:
    num_workers: N. With one, or fewer cores than workers, all share all.
  """
  if num_workers == 1 or not hasattr(os, "sched_getaffinity"):
    return [set() for _ in range(num_workers)]
  cores = sorted(os.sched_getaffinity(0))
  if len(cores) < num_workers:
    return [set() for _ in range(num_workers)]
  bounds = [len(cores) * i // num_workers for i in range(num_workers + 1)]
  return [set(cores[a:b]) for a, b in itertools.pairwise(bounds)]
