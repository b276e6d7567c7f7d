"""Speed of a population, against its members one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from benchmarks import timing
from gnn_readout import data
from gnn_readout.data import folds
from gnn_readout.runs import devices, settings
from gnn_readout.tasks import GraphProperty
from gnn_readout.training import members
from gnn_readout.training.program import Program, group_by_program
from gnn_readout.wording import counted

_MEMBERS = (
  "fold=0,1,2,3,4,5,6,7,8,9 model.message_passing.width=16,32"
  " model.head.dropout_rate=0,0.5"
)


def run(
  config: Any,
  rounds: int = 5,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures training steps of 40 members, without evaluation.

  Args:
    config: One of configs/tu.py; its members are ten folds times four points
      of the grid.
    rounds: Runs of each side.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows` the record of `timing.compare`, in member steps per second.
  """
  dataset = None if config is None else config.get("dataset")
  if not (dataset or "").startswith("tu/"):
    raise ValueError(
      "benchmark 'population' needs --config=configs/tu.py:NAME,READOUT."
    )
  devices.use_all_cores()
  settings.check(config)
  store = data.load_config(config, data_dir, cache_dir, with_fold=False)
  configs = [
    members.with_fields(config, fields)
    for fields in members.overrides(config, _MEMBERS)
  ]
  problems = [
    GraphProperty(c, folds.with_fold(store, c.fold, **c.folds)) for c in configs
  ]
  programs = [
    Program([problems[i] for i in group])
    for group in group_by_program(problems)
  ]
  alone = [Program([problem]) for problem in problems]
  for program in (*programs, *alone):
    program.initialise()
  sides = {"ours": _epoch_of(programs), "peer": _epoch_of(alone)}
  record = timing.compare(
    f"population, {config.model.readout.name}",
    timing.alternate(sides, rounds),
    unit="member steps/s",
    against="one after another",
  )
  timing.print_compared(
    f"{counted(len(configs), 'member')} in {counted(len(programs), 'program')}"
    f" against one after another, batch {config.batching.batch_size},"
    f" {counted(jax.device_count(), 'device')} ({jax.default_backend()}),"
    f" {counted(os.cpu_count(), 'core')}, float32",
    [record],
  )
  facts = {
    "batch_size": config.batching.batch_size,
    "dataset": store.schema.name,
    "members": len(configs),
    "programs": len(programs),
  }
  return {"name": "population", "rows": [{**record, **facts}]}


def _epoch_of(programs: Sequence[Program]) -> Callable[[], int]:
  """Returns a function that makes an epoch of all programs, one by one."""

  def epoch() -> int:
    done = 0
    for program in programs:
      steps = program.problems[0].epoch_steps
      program.advance(steps)
      done += program.num_members * steps
    return done

  return epoch
