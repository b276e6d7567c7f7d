"""Speed of a population, against its members one after another."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from benchmarks import timing
from gnn_readout import data, metrics, models, optimizers
from gnn_readout.data import batches as batching
from gnn_readout.data import folds
from gnn_readout.data.store import GraphStore
from gnn_readout.runs import devices, settings
from gnn_readout.training import members, population
from gnn_readout.training import step as step_lib

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
    cache_dir: Likewise.

  Returns:
    The record of `timing.comparison`, in member steps per second.
  """
  if config is None or not config.dataset.startswith("tu/"):
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
  stores = [folds.with_fold(store, c.fold, **c.folds) for c in configs]
  groups = population.programs(configs, stores)
  programs = [
    population.Program([configs[i] for i in g], [stores[i] for i in g])
    for g in groups
  ]
  sides = {"ours": _together(programs), "peer": _alone(configs, stores)}
  record = timing.comparison(
    f"{config.dataset}, {config.model.readout.name}",
    timing.alternate(sides, rounds),
    unit="member steps/s",
    peer="peer",
  )
  timing.print_comparisons(
    f"{len(configs)} members in {len(programs)} programs against one after"
    f" another, batch {config.batching.batch_size}, {jax.device_count()}"
    f" devices ({jax.default_backend()}), {os.cpu_count()} cores, float32",
    [record],
  )
  return record


def _together(programs: Sequence[population.Program]) -> Callable[[], int]:
  """Returns a function that makes an epoch of all programs."""

  def epoch() -> int:
    done = 0
    for program in programs:
      program.advance(program.steps_per_epoch)
      done += len(program.configs) * program.steps_per_epoch
    return done

  return epoch


def _alone(
  configs: Sequence[ConfigDict], stores: Sequence[GraphStore]
) -> Callable[[], int]:
  """Returns a function that makes an epoch of every member, in turn."""
  compiled: dict[str, Any] = {}
  runs = []
  for config, store in zip(configs, stores, strict=True):
    plan = batching.make_plan(
      store, "train", seed=config.seed, **config.batching
    )
    key = str(config.model)
    if key not in compiled:
      model = models.build_model(config.model, store.schema)
      optimizer = optimizers.make_optimizer(
        **config.optimizer, num_steps=1, steps_per_epoch=plan.steps_per_epoch
      )
      loss = metrics.masked_loss(store.schema.task_type)
      step = step_lib.make_train_step(model, loss, optimizer)
      compiled[key] = model, optimizer, step
    model, optimizer, step = compiled[key]
    batches = batching.train_batches(plan, prefetch=0)
    _, _, first = next(batches)
    state = step_lib.init_state(model, optimizer, first, config.seed)
    runs.append([state, step, batches, plan.steps_per_epoch])

  def epoch() -> int:
    done = 0
    for run in runs:
      state, step, batches, steps = run
      for _, _, batch in itertools.islice(batches, steps):
        state, values = step(state, batch)
      jax.block_until_ready(values)
      run[0], done = state, done + steps
    return done

  return epoch
