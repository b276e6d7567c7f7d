"""SIGKILL at random moments: every kind of run ends bit-identical."""

from __future__ import annotations

import itertools
import json
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]

KILLS = 20
_TU = (
  "--config={root}/configs/tu.py:MUTAG,sum",
  "--config.model.message_passing.num_layers=2",
  "--config.batching.num_buckets=1",
  "--config.checkpoint_every=7",
  "--config.log_every=3",
)
_SAMPLED = (
  "--config.num_steps=400",
  "--config.eval_every=40",
  "--config.num_eval_sets=64",
)

# Binary and flags, without the folder.
KINDS = {
  "molecules": (
    "train",
    (
      "--config={root}/configs/molpcba.py:gin,sum",
      "--config.dataset=molecules.csv",
      "--config.model.message_passing.width=7",
      "--config.model.message_passing.num_layers=2",
      "--config.batching.batch_size=5",
      "--config.batching.num_buckets=2",
      "--config.num_epochs=0",
      "--config.num_steps=600",
      "--config.eval_every=50",
      "--config.checkpoint_every=20",
      "--config.log_every=30",
      "--config.tensorboard=False",
    ),
  ),
  "population": (
    "train",
    (
      *_TU,
      "--config.num_epochs=40",
      "--config.population=seed=0,1 optimizer.learning_rate=0.01,0.001",
    ),
  ),
  "tu": ("train", (*_TU, "--config.num_epochs=60")),
  "median": (
    "train",
    (
      "--config={root}/configs/median.py:mean",
      "--config.set_size=11",
      "--config.batch_size=8",
      "--config.population=seed=0,1",
      *_SAMPLED,
    ),
  ),
  "omniglot": (
    "train",
    (
      "--config={root}/configs/omniglot.py:mean,small",
      "--config.batch_size=2",
      "--config.model.encoder.channels=(4, 4)",
      "--config.population=",
      *_SAMPLED,
      "--config.num_steps=60",
      "--config.eval_every=10",
    ),
  ),
  "polygons": (
    "train",
    (
      "--config={root}/configs/polygons.py:mlp,chamfer,mean",
      "--config.num_points=5",
      "--config.population=",
      *_SAMPLED,
    ),
  ),
  "crossval": (
    "crossval",
    (
      *_TU,
      "--protocol=fspool2019",
      "--config.num_epochs=12",
      "--config.folds.num_folds=3",
      "--config.repeats=2",
      "--config.grid=model.head.dropout_rate=0,0.5",
    ),
  ),
}
# What depends on when a run was stopped, or on the machine.
_VARIES = ("seconds", "per_second", "finished_at", "name", "command")


def _results(folder):
  """Returns all records without what varies, by their place."""
  found = {}
  for path in sorted(folder.rglob("record.json")):
    record = json.loads(path.read_text())
    found[str(path.relative_to(folder))] = {
      key: value
      for key, value in record.items()
      if not any(word in key for word in _VARIES)
    }
  return found


def _arrays(folder):
  """Returns step and arrays of the newest checkpoints, by their place."""
  import orbax.checkpoint as ocp

  found = {}
  for checkpoint in sorted(folder.rglob("checkpoints/*/")):
    # A kill may have come before the one before was deleted.
    step = max(int(x.name) for x in checkpoint.iterdir() if x.name.isdecimal())
    with ocp.StandardCheckpointer() as reader:
      arrays = reader.restore((checkpoint / str(step) / "state").absolute())
    found[str(checkpoint.relative_to(folder))] = step, arrays
  return found


@pytest.mark.parametrize("kind", KINDS)
def test_killed_twenty_times_it_ends_the_same(
  launcher, data_dir, tmp_path, kind
):
  import jax

  binary, flags = KINDS[kind]
  flags = [flag.format(root=launcher.root) for flag in flags]

  def start(folder):
    return subprocess.Popen(
      [
        *(sys.executable, "-m", f"launch.{binary}", *flags),
        *(f"--workdir={folder}", f"--data_dir={data_dir}"),
      ],
      cwd=launcher.folder,
      env=launcher.environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  # Once to compile, once to measure how long it takes.
  for name in ("first", "whole"):
    began = time.monotonic()
    process = start(tmp_path / name)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    length = time.monotonic() - began
  expected = _results(tmp_path / "whole"), _arrays(tmp_path / "whole")
  assert expected[0]
  rng = random.Random(kind)
  kills, resumed = 0, 0
  for trial in range(3 * KILLS):
    folder: pathlib.Path = tmp_path / f"run{trial}"
    for life in itertools.count():
      # Longer lives from one to the next, or a run that takes longer to start
      # than when it was timed would never come to save.
      patience = rng.uniform(0.3, 1) * length * (1 + life / 10)
      process = start(folder)
      try:
        said, _ = process.communicate(timeout=patience)
      except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        kills += 1
      resumed += "resuming from the checkpoint" in said
      if process.returncode == 0:
        break
      assert process.returncode == -9, said
    assert _results(folder) == expected[0]
    if expected[1]:
      assert jax.tree.all(
        jax.tree.map(np.array_equal, _arrays(folder), expected[1])
      )
    if kills >= KILLS:
      break
  assert kills >= KILLS
  assert resumed
