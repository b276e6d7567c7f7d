"""Speed of a training step, against the same model in PyTorch Geometric."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jraph

from gnn_readout import data, metrics, models
from gnn_readout.data import batching
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest
from gnn_readout.training import settings
from gnn_readout.training import step as step_lib
from launch.benchmarks import timing

_NUM_BATCHES = 32  # Made before the clock starts, the same for both sides.
_PEERS = ("pyg",)


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
    dataset: Default ogbg-molhiv, whatever the config says.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: Likewise.

  Returns:
    The record of `timing.comparison`, with the achieved GFLOP/s and the
    machine's matrix rate.
  """
  if config is None:
    raise ValueError("benchmark 'train' needs --config.")
  for peer in against:
    if peer not in _PEERS:
      raise ValueError(f"unknown peer {peer!r}.{suggest(peer, _PEERS)}")
  settings.check(config)
  dataset = dataset or "ogbg-molhiv"
  store = data.load(dataset, data_dir, cache_dir)
  sizes = store.num_nodes[store.splits["train"]]
  models.complete_config(config.model, sizes)
  plan = batching.make_plan(store, "train", **config.batching, seed=0)
  batches = [
    batch
    for _, _, batch in itertools.islice(
      batching.train_batches(plan), _NUM_BATCHES
    )
  ]
  functions = {
    "ours": _ours(config, store, batches),
    "peer": _pyg(config, store, batches),
  }
  measured = timing.alternate(functions, rounds)
  passing = config.model.message_passing
  name = f"{passing.name},{config.model.readout.name}"
  record = timing.comparison(name, measured)
  work = _multiplications(config, plan) * measured["ours"].median
  rate = timing.matrix_rate(passing.width)
  timing.print_comparisons(
    f"{dataset}: training step, batch {config.batching.batch_size}, "
    f"{passing.width} wide, {os.cpu_count()} cores, float32",
    [record],
  )
  print(
    f"linear layers alone: {work:.0f} GFLOP/s, where products of their size "
    f"alone reach {rate:.0f} GFLOP/s"
  )
  return {
    **record,
    "dataset": dataset,
    "batch_size": config.batching.batch_size,
    "milliseconds_per_step": 1e3
    * config.batching.batch_size
    / measured["ours"].median,
    "gflops": work,
    "matrix_gflops": rate,
  }


def _multiplications(config: Any, plan: batching.BatchPlan) -> float:
  """Returns GFLOP per graph in linear layers, forward and backward."""
  passing = config.model.message_passing
  products = {"gcn": 1, "gin": 4}[passing.name] * passing.num_layers
  nodes = float(plan.store.num_nodes[plan.graphs].mean())
  return 3 * 2 * nodes * products * passing.width**2 / 1e9


def _ours(
  config: Any, store: GraphStore, batches: Sequence[jraph.GraphsTuple]
) -> Callable[[], int]:
  model = models.build_model(config.model, store.schema)
  optimizer = step_lib.make_optimizer(
    config.optimizer.learning_rate, "constant", 0, 1
  )
  loss = metrics.masked_loss(store.schema.task_type)
  step = step_lib.make_train_step(model, loss, optimizer)
  state = [step_lib.init_state(model, optimizer, batches[0], seed=0)]

  def epoch() -> int:
    for batch in batches:
      state[0], measured = step(state[0], batch)
    jax.block_until_ready(measured)
    return sum(int(batch.globals["mask"].sum()) for batch in batches)

  return epoch


def _pyg(
  config: Any, store: GraphStore, batches: Sequence[jraph.GraphsTuple]
) -> Callable[[], int]:
  try:
    from launch.benchmarks import pyg
  except ImportError as error:
    raise ValueError(
      f"the peer needs {error.name}: pip install '.[peers]'"
    ) from error
  model = pyg.Model(store.schema, config.model)
  step = pyg.make_step(model, config.optimizer.learning_rate)
  tensors = [pyg.to_torch(batch) for batch in batches]

  def epoch() -> int:
    for batch in tensors:
      step(*batch)
    return sum(batch[4] for batch in tensors)

  return epoch
