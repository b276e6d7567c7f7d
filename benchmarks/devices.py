"""Speed of a training step on one device against one device for each core."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import jax

from benchmarks import steps, timing
from gnn_readout.runs import devices
from gnn_readout.tasks.graph_property import GraphProperty
from gnn_readout.training.program import Program
from gnn_readout.wording import counted

_NUM_BATCHES = 8


def run(
  config: Any,
  rounds: int = 5,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures the same batches as one share on all cores, and as one per core.

  Args:
    config: Config as for launch.train.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default, whatever the config
      says, unless that is one of the TU collection.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows` the record of `timing.compare`, where 'ours' has one device for
    each core.

  Raises:
    ValueError: If there is no config, or there are not several devices.
  """
  steps.check_config(config, "devices")
  devices.use_all_cores()
  num_devices = jax.local_device_count()
  if num_devices < 2:
    raise ValueError(
      "benchmark 'devices' needs several devices, but there is only 1."
    )
  work = steps.load(config, 1, dataset, data_dir, cache_dir)
  sides = {
    name: _epoch_of(work, number)
    for name, number in (("ours", num_devices), ("peer", 1))
  }
  passing, readout = config.model.message_passing, config.model.readout
  batch_size = config.batching.batch_size
  record = timing.compare(
    f"{passing.name},{readout.name}, {num_devices} devices",
    timing.alternate(sides, rounds),
    against="one device",
  )
  timing.print_compared(
    f"training step, batch {batch_size}, {passing.width} wide, float32:"
    f" {counted(num_devices, 'device')} (ours) against one device with"
    f" {counted(os.cpu_count(), 'core')} (peer)",
    [record],
  )
  facts = {
    "batch_size": batch_size,
    "dataset": work.store.schema.name,
    "num_devices": num_devices,
  }
  return {"name": "devices", "rows": [{**record, **facts}]}


def _epoch_of(work: steps.Work, num_devices: int) -> Callable[[], int]:
  """Returns a function that trains on some batches and counts the graphs."""
  config = work.config.copy_and_resolve_references()
  config.num_devices = num_devices
  problem = GraphProperty(config, work.store)
  program = Program([problem])
  program.initialise()
  stream = problem.stream([problem], 0)
  batches = list(itertools.islice(stream, _NUM_BATCHES))
  stream.close()
  return steps.epoch_of(program, batches)
