"""Speed of a training step, against peers or with another readout."""

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
    against: Peers: names of `steps.PEERS`, or of readouts to take the place of
      the config's. Default `pyg`, the same model in PyTorch Geometric.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default, whatever the config
      says, unless that is one of the TU collection.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, what `compare` returns.
  """
  steps.check_config(config, "train")
  against = list(against) or ["pyg"]
  steps.check_peers(against, (*steps.PEERS, *READOUTS))
  work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
  rows = compare(work, against, rounds)
  passing = config.model.message_passing
  rate = timing.matrix_rate(832, passing.width, passing.width)
  gflops = steps.linear_flops(work) * rows[0]["ours"] / 1e9
  print(
    f"linear layers alone: {gflops:.0f} GFLOP/s, where products of their size "
    f"alone reach {rate:.0f} GFLOP/s"
  )
  rates = {"gflops": gflops, "matrix_gflops": rate}
  return {"name": "train", "rows": [{**row, **rates} for row in rows]}


def compare(
  work: steps.Work, against: Sequence[str], rounds: int
) -> list[dict[str, Any]]:
  """Measures and prints training steps of ours and its peers.

  Args:
    work: What all train on.
    against: As `steps.against` takes it.
    rounds: Runs of each side.

  Returns:
    By peer, the record of `timing.compare`, with `dataset`, `batch_size`,
    `width`, `milliseconds_per_step` and those of `steps.FirstStep`.
  """
  program, batches = steps.program_of(work)
  first = steps.first_step(program, batches)
  peers, lacking = steps.against(work, against)
  measured = timing.alternate(
    {"ours": steps.epoch_of(program, batches), **peers}, rounds
  )
  model, batch_size = work.config.model, work.config.batching.batch_size
  name = f"{model.message_passing.name},{model.readout.name}"
  rows = timing.compare_all(name, measured, lacking)
  width = model.message_passing.width
  timing.print_compared(
    f"{work.store.schema.name}: training step, batch {batch_size}, {width}"
    f" wide, {counted(os.cpu_count(), 'core')}, float32",
    rows,
  )
  print(
    f"first step {first.seconds:.1f} s, most of them compilation;"
    f" {first.mebibytes:.0f} MiB besides its arguments"
  )
  return [
    {
      **row,
      "dataset": work.store.schema.name,
      "batch_size": batch_size,
      "width": width,
      "milliseconds_per_step": 1e3 * batch_size / row["ours"],
      "first_step_seconds": first.seconds,
      "mebibytes": first.mebibytes,
    }
    for row in rows
  ]
