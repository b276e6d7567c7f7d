"""A batch on several devices is the batch on one."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import counting as counting_config
from gnn_readout.tasks import TASKS
from gnn_readout.training.program import Program
from tests.training import spread_runs

ROOT = pathlib.Path(__file__).parents[2]
TOLERANCE = 1e-10
STEPS = 20


def _assert_equal(found, expected, whole_run):
  """Compares what two numbers of devices came to, by name.

  Args:
    found: Of several devices.
    expected: Of one.
    whole_run: Whether to compare what 20 steps of Adam came to as well. Adam
      divides by the size of a gradient: one that is 0 but for rounding, such
      as that of a bias before BatchNorm, moves its parameter at random. Where
      there is one, the last step is made from the same state.
  """
  assert found.keys() == expected.keys()
  for name, x in found.items():
    kind = re.match(r"\['(\w+)'\]", name)[1]
    if kind == "collectives":
      continue
    if whole_run or kind not in ("params", "statistics"):
      scale = max(np.abs(expected[name]).max(), 1)
      error = np.abs(x - expected[name]).max() / scale
      assert error <= TOLERANCE, (name, error)


@pytest.mark.parametrize(
  ("dataset", "variant", "whole_run"),
  [
    ("demo", "gcn,mean", True),
    pytest.param("demo", "gin,virtual_node,sum", False, marks=pytest.mark.slow),
    pytest.param("demo", "gcn,equilibrium", True, marks=pytest.mark.slow),
    pytest.param("tu/MUTAG", "MUTAG,sum", False, marks=pytest.mark.slow),
  ],
)
def test_32_graphs_on_one_two_and_four_devices(
  tmp_path, request, dataset, variant, whole_run
):
  if dataset != "demo":
    request.getfixturevalue("data_dir")
  out = tmp_path / "found.npz"
  flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
  arguments = "-m", "tests.training.spread_runs", out, dataset, variant
  done = subprocess.run(
    [sys.executable, *arguments, str(STEPS)],
    cwd=ROOT,
    env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  found = {1: {}, 2: {}, 4: {}}
  for name, x in np.load(out).items():
    found[int(name[0])][name[1:]] = x
  assert np.abs(found[1]["['losses']"]).min() > 0.01
  for num_devices in (2, 4):
    _assert_equal(found[num_devices], found[1], whole_run)


def test_five_gcn_layers_take_seventeen_messages():
  # Three for each BatchNorm, one for the counts of graphs and labels, and one
  # for the gradient of all parameters.
  problem = spread_runs.make_problem("demo", "gcn,mean", num_devices=2)
  problem.config.model.message_passing.num_layers = 5
  (found, _) = spread_runs.train(problem, 1)
  assert 5 < found["collectives"] <= 17


@pytest.mark.parametrize("seeds", [(3, 3), (3, 5)])
def test_members_and_shares_together(seeds):
  # Members that share their batches, and members that do not.
  found = []
  with jax.enable_x64(True):
    for num_devices in (1, 2):
      problems = [
        spread_runs.make_problem(
          "demo",
          "gcn,mean",
          seed=seed,
          num_devices=num_devices,
          **{"optimizer.learning_rate": rate},
        )
        for seed, rate in zip(seeds, (0.01, 0.001), strict=True)
      ]
      program = Program(problems)
      program.initialise()
      program.advance(3)
      program.close()
      found.append((program.arrays()["state"].params, program.real))
      assert program.mesh.shape["data"] == num_devices
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=TOLERANCE), *found
  )
  assert not np.array_equal(*found[0][0]["head"]["w"])


def counting(num_devices, **fields):
  """A problem that draws its batches on the device, of one member."""
  config = counting_config.get_config("sum")
  config.update(batch_size=16, chunk_size=4, num_steps=20, num_eval_sets=16)
  config.update(num_devices=num_devices)
  config.update_from_flattened_dict(fields)
  return TASKS["counting"](config)


@pytest.mark.parametrize("chunk_size", [2, 4])
def test_chunks_of_a_drawn_batch_are_dealt_to_devices(chunk_size):
  found = []
  with jax.enable_x64(True):
    for num_devices in (1, 2):
      program = Program(
        [counting(num_devices, seed=s, chunk_size=chunk_size) for s in (3, 5)]
      )
      program.initialise()
      program.advance(4)
      exam, outputs = program.predict(("valid",))
      found.append((program.arrays()["state"], outputs))
      assert program.mesh.shape["data"] == num_devices
      assert exam.is_shared
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=TOLERANCE), *found
  )
  assert found[0][0].sums["loss"].min() > 1


def test_a_whole_batch_is_halved_for_two_devices():
  assert counting(2, chunk_size=0).functions().num_chunks == 2
  assert counting(1, chunk_size=0).functions().num_chunks == 1


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"chunk_size": 16}, "must divide the 1 chunks of a batch, batch_size=16"),
    ({"batch_size": 15, "chunk_size": 0}, "must divide batch_size=15, got 2"),
  ],
)
def test_batches_that_cannot_be_dealt(fields, message):
  with pytest.raises(ValueError, match=f"num_devices {message}"):
    counting(2, **fields).functions()
