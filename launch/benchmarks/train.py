"""Speed of a training step, against the same model in PyTorch Geometric."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from launch.benchmarks import steps, timing

_NUM_BATCHES = 32


def run(
  config: Any,
  against: Sequence[str] = (),
  rounds: int = 5,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures training steps per graph on batches of a real dataset.

  Args:
    config: As for launch.train.
    against: Peers: `pyg`, the default.
    rounds: Runs of each side.
    dataset: Default ogbg-molhiv, whatever the config says, unless that is one
      of the TU collection.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: Likewise.

  Returns:
    The record of `timing.comparison`, with the achieved GFLOP/s and the
    machine's matrix rate.
  """
  if config is None:
    raise ValueError("benchmark 'train' needs --config.")
  steps.check_peers(against, ("pyg",))
  work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
  functions = {"ours": steps.ours(work), "peer": steps.pyg(work)}
  measured = timing.alternate(functions, rounds)
  passing = config.model.message_passing
  name = f"{passing.name},{config.model.readout.name}"
  record = timing.comparison(name, measured)
  gflops = steps.linear_flops(work) * measured["ours"].median / 1e9
  rate = timing.matrix_rate(832, passing.width, passing.width)
  batch_size = config.batching.batch_size
  timing.print_comparisons(
    f"{work.store.schema.name}: training step, batch {batch_size}, "
    f"{passing.width} wide, {os.cpu_count()} cores, float32",
    [record],
  )
  print(
    f"linear layers alone: {gflops:.0f} GFLOP/s, where products of their size "
    f"alone reach {rate:.0f} GFLOP/s"
  )
  return {
    **record,
    "dataset": work.store.schema.name,
    "batch_size": batch_size,
    "milliseconds_per_step": 1e3 * batch_size / measured["ours"].median,
    "gflops": gflops,
    "matrix_gflops": rate,
  }
