"""Cost of Equilibrium Aggregation by inner steps: the paper's table E.2."""

from __future__ import annotations

import logging
import os
from typing import Any

from benchmarks import steps, timing
from configs import molpcba
from gnn_readout.report.results import published
from gnn_readout.wording import counted

_NUM_BATCHES = 8
_STEPS = (2, 5, 10, 15)


def run(
  rounds: int = 5,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures training steps of GCN with sum and with equilibrium, batch 8.

  Args:
    rounds: Runs of each row.
    dataset: Name of the dataset; ogbg-molhiv by default.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`: the rate, milliseconds per step, how many times those of `sum`
    that is, the same in the paper, and `steps.FirstStep`.
  """
  rows = {"sum": ("sum", {})}
  for adjoint in ("unrolled", "implicit"):
    for num_steps in _STEPS:
      rows[f"T = {num_steps}, {adjoint}"] = (
        "equilibrium",
        {"num_steps": num_steps, "adjoint": adjoint},
      )
  # At initialisation an implicit solve may not converge; its cost is the same.
  logging.getLogger("gnn_readout.minimisation").setLevel(logging.ERROR)
  functions, first = {}, {}
  for name, (readout, arguments) in rows.items():
    config = molpcba.get_config(f"gcn,{readout}").unlock()
    config.batching.batch_size = 8
    config.model.readout.update(arguments)
    work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
    program, batches = steps.program_of(work)
    first[name] = steps.first_step(program, batches)
    functions[name] = steps.epoch_of(program, batches)
  measured = timing.alternate(functions, rounds, min_seconds=0.5)
  batch = 8
  milliseconds = {k: 1e3 * batch / m.median for k, m in measured.items()}
  of_paper = _published()
  result = [
    {
      **timing.without_peer(name, {"ours": measured[name]}),
      "dataset": work.store.schema.name,
      "batch_size": batch,
      "milliseconds": milliseconds[name],
      "times_sum": milliseconds[name] / milliseconds["sum"],
      "paper": of_paper.get((readout, arguments.get("num_steps", 0)))
      if arguments.get("adjoint") != "implicit"
      else None,
      "first_step_seconds": first[name].seconds,
      "mebibytes": first[name].mebibytes,
    }
    for name, (readout, arguments) in rows.items()
  ]
  timing.print_table(
    f"{work.store.schema.name}: training step, GCN, batch {batch},"
    f" {config.model.message_passing.width} wide,"
    f" {counted(os.cpu_count(), 'core')}",
    [
      "",
      "ms per step",
      "relative to sum",
      "paper",
      "first step, s",
      "memory, MiB",
    ],
    [
      [
        row["name"],
        f"{row['milliseconds']:.1f}",
        f"{row['times_sum']:.2f}",
        f"{row['paper']:.2f}" if row["paper"] else "",
        f"{row['first_step_seconds']:.1f}",
        f"{row['mebibytes']:.0f}",
      ]
      for row in result
    ],
  )
  return {"name": "inner_steps", "rows": result}


def _published() -> dict[tuple[str, int], float]:
  """Returns the time of training relative to sum, by readout and steps."""
  hours = published.training_hours()
  return {key: value / hours["sum", 0] for key, value in hours.items()}
