"""Speed of a training step of DSPN or PO-U, against the authors' layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import peers, steps, timing
from gnn_readout.runs import devices, settings
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
    In `rows` records of `timing.compare`, in sets per second: of one device,
    and of one for each core where a CPU has several.

  Raises:
    ValueError: If there is no config, or no peer of what it describes.
  """
  steps.check_config(config, "sets")
  settings.check(config)
  if config.get("task") not in PEERS or not _has_peer(config):
    known = "; ".join(f"{task}: {what}" for task, (what, _) in PEERS.items())
    raise ValueError(f"benchmark 'sets' has peers of {known}.")
  devices.use_all_cores()
  torch_sets = peers.load("torch_sets")
  sides = {
    number: _program(config, number, data_dir, cache_dir)
    for number in sorted({1, jax.local_device_count()})
    if config.batch_size % (number * (config.chunk_size or 1)) == 0
  }
  problem = sides[1].problems[0]
  params = jax.device_get(jax.jit(problem.init)(jax.random.key(0)))
  module = getattr(torch_sets, PEERS[config.task][1])(params, config.to_dict())
  step = torch_sets.make_step(module, config.optimizer.learning_rate)
  draw = jax.jit(problem.sample)
  batches = [
    torch_sets.to_torch(jax.device_get(draw(key)))
    for key in jax.random.split(jax.random.key(1), _NUM_BATCHES)
  ]
  num_sets = _NUM_BATCHES * config.batch_size

  def ours(program: Program) -> Callable[[], int]:
    def steps() -> int:
      program.advance(_NUM_BATCHES)
      return num_sets

    return steps

  def peer() -> int:
    for batch in batches:
      step(batch)
    return num_sets

  size = batches[0].shape[-1]
  timed = timing.alternate(
    {number: ours(program) for number, program in sides.items()}
    | {"peer": peer},
    rounds,
  )
  records = [
    timing.compare(
      f"{config.task}, n = {size}, {counted(number, 'device')}",
      {"ours": timed[number], "peer": timed["peer"]},
      unit="sets/s",
      against="PyTorch, dense",
    )
    for number in sides
  ]
  timing.print_compared(
    f"training step, batch {config.batch_size}, float32,"
    f" {counted(config.model.num_steps, 'inner step')},"
    f" {counted(os.cpu_count(), 'core')}; the peer is PyTorch, dense",
    records,
  )
  facts = {"batch_size": config.batch_size, "size": size}
  return {"name": "sets", "rows": [{**record, **facts} for record in records]}


def _program(
  config: Any, num_devices: int, data_dir: str | None, cache_dir: str | None
) -> Program:
  """Returns a program that makes steps as long as the clock runs."""
  config = config.copy_and_resolve_references().unlock()
  config.update(num_devices=num_devices, num_steps=np.iinfo(np.int32).max)
  program = Program([make_problem(config, data_dir, cache_dir)])
  program.initialise()
  return program


def _has_peer(config: Any) -> bool:
  model = config.model
  if config.task == "sorting":
    return model.start == "uniform"
  fields = (model.decoder, model.readout.name, config.input, model.pairs)
  return fields == ("dspn", "fspool", "set", False) and config.loss != "direct"
