"""Speed of a training step of DSPN or PO-U, against the authors' layout."""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np

from benchmarks import peers, timing
from gnn_readout.runs import settings
from gnn_readout.tasks import make_problem
from gnn_readout.training.program import Program
from gnn_readout.wording import counted

_NUM_BATCHES = 4
# By task, the model that there is a peer of, and its function.
PEERS = {
  "set_prediction": ("dspn, FSPool, of sets that are their own input", "dspn"),
  "sorting": ("po_u, of which P starts uniform", "po_u"),
}


def run(
  config: Any,
  rounds: int = 5,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures training steps, drawing the examples included in ours alone.

  Args:
    config: One of configs/set_prediction.py or configs/sorting.py.
    rounds: Runs of each side.
    data_dir: Where the datasets are.
    cache_dir: Where what was made of them is.

  Returns:
    In `rows` the record of `timing.compare`, in sets per second.

  Raises:
    ValueError: If there is no config, or no peer of what it describes.
  """
  if config is None:
    raise ValueError("benchmark 'sets' needs --config.")
  settings.check(config)
  if config.get("task") not in PEERS or not _has_peer(config):
    known = "; ".join(f"{task}: {what}" for task, (what, _) in PEERS.items())
    raise ValueError(f"benchmark 'sets' has peers of {known}.")
  torch_sets = peers.load("torch_sets")
  # Steps are made as long as the clock runs.
  config = config.copy_and_resolve_references().unlock()
  config.num_steps = np.iinfo(np.int32).max
  problem = make_problem(config, data_dir, cache_dir)
  program = Program([problem])
  program.initialise()
  params = jax.device_get(jax.jit(problem.init)(jax.random.key(0)))
  module = getattr(torch_sets, PEERS[config.task][1])(params, config.to_dict())
  step = torch_sets.make_step(module, config.optimizer.learning_rate)
  draw = jax.jit(problem.sample)
  batches = [
    torch_sets.to_torch(jax.device_get(draw(key)))
    for key in jax.random.split(jax.random.key(1), _NUM_BATCHES)
  ]

  def ours() -> int:
    program.advance(_NUM_BATCHES)
    return _NUM_BATCHES * config.batch_size

  def peer() -> int:
    for batch in batches:
      step(batch)
    return _NUM_BATCHES * config.batch_size

  shape = batches[0].shape
  size = shape[-1]
  record = timing.compare(
    f"{config.task}, n = {size}",
    timing.alternate({"ours": ours, "peer": peer}, rounds),
    unit="sets/s",
    against="PyTorch, dense",
  )
  timing.print_compared(
    f"training step, batch {config.batch_size}, float32,"
    f" {counted(config.model.num_steps, 'inner step')},"
    f" {counted(os.cpu_count(), 'core')}; the peer is PyTorch, dense",
    [record],
  )
  facts = {"batch_size": config.batch_size, "size": size}
  return {"name": "sets", "rows": [{**record, **facts}]}


def _has_peer(config: Any) -> bool:
  model = config.model
  if config.task == "sorting":
    return model.start == "uniform"
  fields = (model.decoder, model.readout.name, config.input, model.pairs)
  return fields == ("dspn", "fspool", "set", False) and config.loss != "direct"
