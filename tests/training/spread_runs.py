"""Trains the same batches on 1, 2 and 4 devices, and writes what comes of it.

python -m tests.training.spread_runs OUT.npz DATASET VARIANT NUM_STEPS
"""

from __future__ import annotations

import re
import sys
from typing import Any

import jax
import numpy as np

from configs import molpcba, tu
from gnn_readout import data
from gnn_readout.data import folds
from gnn_readout.tasks import GraphProperty
from gnn_readout.training.program import Program

DEVICES = (1, 2, 4)
# Without dropout: each share draws its own.
TU = {"model.head.dropout_rate": 0.0, "model.message_passing.num_layers": 2}
MOLECULES = {
  "model.message_passing.dropout": 0.0,
  "model.message_passing.num_layers": 2,
  "model.message_passing.width": 11,
}


def make_problem(dataset: str, variant: str, **fields) -> GraphProperty:
  """Returns a small model without dropout on batches of 32 graphs."""
  return problem_of(make_config(dataset, variant, **fields))


def problem_of(config) -> GraphProperty:
  """Returns the problem of a config, with the fold that it names."""
  store = data.load(config.dataset)
  if "fold" in config:
    store = folds.with_fold(store, config.fold, **config.folds)
  return GraphProperty(config, store)


def make_config(dataset: str, variant: str, **fields):
  """Returns the config of a small model; see `make_problem`."""
  is_tu = dataset.startswith("tu/")
  config = (tu if is_tu else molpcba).get_config(variant)
  config.dataset = dataset
  config.update_from_flattened_dict(TU if is_tu else MOLECULES)
  config.batching.update(batch_size=32, num_buckets=1)
  config.update(num_steps=20, num_epochs=0.0, eval_every=20)
  config.update_from_flattened_dict(fields)
  return config


def _moments(state) -> Any:
  """Returns the first moments of Adam, m' = 0.9 m + 0.1 g."""
  (found,) = (x.mu for x in state.opt_state if hasattr(x, "mu"))
  return found


def _gradient(before, after) -> Any:
  return jax.tree.map(
    lambda x, y: 10 * y - 9 * x, _moments(before), _moments(after)
  )


def train(
  problem: GraphProperty, num_steps: int, last: Any = None
) -> tuple[dict[str, Any], Any]:
  """Returns what some steps come to, and the arrays before the last of them.

  Args:
    problem: Of the only member.
    num_steps: How many.
    last: Arrays from which the last batch is learned from a second time.
  """
  program = Program([problem])
  program.initialise()
  assert program.mesh.shape["data"] == problem.num_shares
  first, losses = program.arrays()["state"], []
  stream = problem.stream([problem], 0)
  for step in range(num_steps):
    before, batch = program.arrays(), next(stream)
    losses.append(np.asarray(program.take(batch))[0])
    if not step:
      gradient = _gradient(first, program.arrays()["state"])
  stream.close()
  state, real = program.arrays()["state"], program.real.copy()
  last = last or before
  program.load(last, num_steps - 1)
  loss = program.take(batch)
  after = program.arrays()["state"]
  compiled = program.step_of(batch)
  reductions = re.findall(r" all-reduce(?:-start)?\(", compiled.as_text())
  return {
    "gradient": gradient,
    "losses": np.array(losses),
    "statistics": state.model_state,
    "params": state.params,
    "real": real,
    "last": {
      "gradient": _gradient(last["state"], after),
      "loss": loss,
      "statistics": after.model_state,
    },
    "collectives": np.array(len(reductions)),
  }, before


def by_name(found: Any) -> dict[str, np.ndarray]:
  """Returns the arrays of a tree by their place in it."""
  return {
    jax.tree_util.keystr(path): np.asarray(x)
    for path, x in jax.tree_util.tree_leaves_with_path(found)
  }


def main(out: str, dataset: str, variant: str, num_steps: str) -> None:
  """Writes what was found, by number of devices and name."""
  found, last = {}, None
  with jax.enable_x64(True):
    for num_devices in DEVICES:
      problem = make_problem(dataset, variant, num_devices=num_devices)
      result, before = train(problem, int(num_steps), last)
      last = last or before
      found |= {f"{num_devices}{k}": x for k, x in by_name(result).items()}
  np.savez(out, **found)


if __name__ == "__main__":
  main(*sys.argv[1:])
