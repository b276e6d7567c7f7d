"""Speed of a training step, against a peer or with another readout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from benchmarks import steps, timing
from gnn_readout.readouts import READOUTS
from gnn_readout.wording import counted

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
    config: Config as for launch.train.
    against: One peer: `pyg`, the default, for the same model in PyTorch
      Geometric, or the name of a readout to take the place of the config's.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default, whatever the config
      says, unless that is one of the TU collection.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    The record of `timing.compare`, with the achieved GFLOP/s and the
    machine's matrix rate.
  """
  if config is None:
    raise ValueError("benchmark 'train' needs --config.")
  peer, *more = against or ["pyg"]
  steps.check_peers([peer], ("pyg", *READOUTS))
  if more:
    raise ValueError(f"benchmark 'train' takes one --against, got {against}.")
  work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
  functions = {"ours": steps.ours(work)}
  if peer == "pyg":
    functions["peer"] = steps.pyg(work)
  else:
    functions["peer"] = steps.ours(work.with_readout(peer))
  measured = timing.alternate(functions, rounds)
  passing = config.model.message_passing
  name = f"{passing.name},{config.model.readout.name}"
  record = timing.compare(name, measured)
  gflops = steps.linear_flops(work) * measured["ours"].median / 1e9
  rate = timing.matrix_rate(832, passing.width, passing.width)
  batch_size = config.batching.batch_size
  timing.print_compared(
    f"{work.store.schema.name}: training step, batch {batch_size},"
    f" {passing.width} wide, {counted(os.cpu_count(), 'core')}, float32,"
    f" against {peer}",
    [record],
  )
  print(
    f"linear layers alone: {gflops:.0f} GFLOP/s, where products of their size "
    f"alone reach {rate:.0f} GFLOP/s"
  )
  return {
    **record,
    "against": peer,
    "dataset": work.store.schema.name,
    "batch_size": batch_size,
    "milliseconds_per_step": 1e3 * batch_size / measured["ours"].median,
    "gflops": gflops,
    "matrix_gflops": rate,
  }
