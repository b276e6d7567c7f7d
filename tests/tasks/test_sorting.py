"""Sorting numbers: the model by hand, its decoding, and a run."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from configs import sorting as config_lib
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS, sorting
from gnn_readout.training import trainer


def config(variant="po_u", **fields):
  config = config_lib.get_config(variant)
  config.update(set_size=5, batch_size=7, chunk_size=0, num_eval_sets=8)
  config.intervals = (0.0, 1.0, 10.0, 12.0)
  config.update_from_flattened_dict(fields)
  return config


def test_places_are_scipys():
  scores = np.random.default_rng(0).normal(size=(3, 6, 6)).astype(np.float32)
  got = jax.jit(sorting.place_all)(scores)
  for order, own in zip(np.asarray(got), scores):
    elements, places = linear_sum_assignment(-own)
    np.testing.assert_array_equal(order[places], elements)


_ONE_CORE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp, numpy as np
from gnn_readout.tasks import sorting
rng = np.random.default_rng(0)
both = jax.jit(lambda x: [sorting.place_all(jnp.exp(x)), sorting.place_all(x)])
for _ in range(20):
  found = jax.block_until_ready(both(rng.normal(size=(8, 120, 120))))
print(*(places.shape for places in found))
"""


@pytest.mark.skipif(
  not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity"
)
def test_one_core_is_enough():
  """As in a job with one CPU, where a callback of JAX never returns."""
  command = [sys.executable, "-c", _ONE_CORE]
  own = os.environ | {"XLA_FLAGS": ""}  # Not the devices of these tests.
  got = subprocess.run(
    command, env=own, capture_output=True, text=True, timeout=300
  )
  assert got.stdout == "(8, 120) (8, 120)\n", got.stderr


@pytest.mark.parametrize("variant", config_lib.MODELS)
def test_loss_by_hand(variant):
  task = TASKS["sorting"](config(variant).to_dict())
  params = jax.jit(task.init)(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
  (loss, scalars), slopes = gradient(params, None, batch)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(slopes))
  p64 = jax.tree.map(np.float64, params)
  errors = []
  sign = np.sign(np.arange(5)[:, None] - np.arange(5))
  for x in np.asarray(batch, np.float64):
    first, second = (p64[f"costs_{name}"] for name in ("first", "second"))
    one = x[:, None] @ first["w"] + first["b"]
    two = x[:, None] @ second["w"]
    f = np.maximum(one[:, None] + two, 0) @ p64["costs_last"]["w"][:, 0]
    costs = f - f.T
    costs /= np.linalg.norm(costs)
    logits = np.zeros((5, 5))
    if variant != "po_u":
      logits = x[:, None] @ p64["start"]["w"]

    def stochastic(logits):
      p = np.exp(logits)
      for _ in range(4):
        p /= p.sum(1, keepdims=True)
        p /= p.sum(0, keepdims=True)
      return p

    for _ in range(0 if variant == "lin_assign" else 6):
      logits = logits - 2 * costs @ stochastic(logits) @ sign
    errors.append((stochastic(logits).T @ x - np.sort(x)) ** 2)
  np.testing.assert_allclose(loss, np.mean(errors), rtol=1e-4)
  assert scalars["rate"] == 1


def test_a_run_learns_to_sort(tmp_path):
  learned = config(num_steps=64, eval_every=64, batch_size=64)
  (record,) = trainer.train(learned, tmp_path)
  scores = record["test"]["scores"]
  assert scores["mse"] < 0.01  # Of variance 1/12.
  for interval in ("0_1", "10_12"):
    assert scores[f"sorted_log_{interval}"] == 1
    assert 0 <= scores[f"sorted_{interval}"] <= 1
  assert record["describe"]["rate"] > 0


def test_more_numbers_in_testing_than_in_training():
  task = TASKS["sorting"](config(test_set_size=11).to_dict())
  assert task.sample_test(jax.random.key(0)).shape == (8, 11)
  assert task.sample(jax.random.key(0)).shape == (7, 5)
  params = jax.eval_shape(task.init, jax.random.key(0))
  batch = jax.eval_shape(task.sample_test, jax.random.key(0))
  assert "sorted_10_12" in jax.eval_shape(task.evaluate, params, batch)


@pytest.mark.parametrize("sweep", ["sizes", "large", "baselines"])
def test_the_sweeps(sweep):
  _, runs = definitions.read(f"configs/sorting.py:{sweep}", [])
  for run in runs:
    settings.check(run.config)
    TASKS["sorting"](run.config.to_dict())
  assert len(runs) == {"sizes": 6, "large": 2, "baselines": 8}[sweep]


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"set_size": 1}, "set_size must be at least 2, got 1"),
    ({"model.num_steps": -1}, "model.num_steps must be at least 0, got -1"),
    ({"model.start": "linea"}, "unknown model.start 'linea'.*'linear'"),
    ({"test_set_size": 1}, "test_set_size must be at least 2, got 1"),
    ({"intervals": (0.0, 1.0, 2.0)}, "intervals must be pairs of bounds"),
    ({"intervals": (1.0, 0.0)}, r"the lower one first, got \[1.0, 0.0\]"),
  ],
)
def test_tasks_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["sorting"](config(**fields).to_dict())


def test_a_linear_start_is_of_one_size():
  with pytest.raises(ValueError, match="must equal set_size=5, got 6"):
    TASKS["sorting"](config("po_la", test_set_size=6).to_dict())
