"""The binary that trains: what it does with a kill, and with wrong input."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

# On one worker, which trains the run that others are compared with once.
pytestmark = pytest.mark.xdist_group("launch")

_CONFIG = "--config=configs/molpcba.py:gcn,sum"

# Sends the process a signal when it asks for the batch of a step.
_SIGNAL_AT = """
import os, signal
from gnn_readout.data import batches
real = batches.train_batches
def train_batches(*args, **kwargs):
  for item in real(*args, **kwargs):
    if item[0] == {step}:
      os.kill(os.getpid(), signal.{signal})
    yield item
batches.train_batches = train_batches
"""


def _signal_at(step, name):
  return _SIGNAL_AT.format(step=step, signal=name)


def _last_arrays(workdir):
  import orbax.checkpoint as ocp

  (step,) = (workdir / "checkpoints" / "latest").iterdir()
  assert step.name == "31"
  tree = ocp.StandardCheckpointer().restore(step / "state")
  return {
    jax.tree_util.keystr(path): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def _assert_same_run(one, two):
  first, second = _last_arrays(one), _last_arrays(two)
  assert first.keys() == second.keys()
  assert len(first) > 50
  for name in first:
    np.testing.assert_array_equal(first[name], second[name], err_msg=name)
  records = [json.loads((x / "record.json").read_text()) for x in (one, two)]
  for field in ("curves", "best", "test", "config_hash", "padding"):
    assert records[0][field] == records[1][field]


def test_killed_at_three_steps_it_ends_bit_identical(launcher, whole):
  rng = random.Random(3)
  killed = launcher.folder / "killed"
  arguments = launcher.train_arguments("killed")
  for step in (rng.randrange(start, start + 9) for start in (1, 11, 21)):
    first = _signal_at(step, "SIGKILL")
    done = launcher.run("train", *arguments, first=first)
    assert done.returncode == -signal.SIGKILL
    assert not (killed / "record.json").exists()
  done = launcher.run("train", *arguments)
  assert done.returncode == 0, done.stderr
  assert "resuming from the checkpoint of step" in done.stdout
  _assert_same_run(killed, whole)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_saves_and_exits_with_0(launcher, whole, name):
  stopped = launcher.folder / name
  arguments = launcher.train_arguments(name)
  first = _signal_at(15, name)
  done = launcher.run("train", *arguments, first=first)
  assert done.returncode == 0, done.stderr
  assert f"{name}: saved step" in done.stdout
  assert not (stopped / "record.json").exists()
  done = launcher.run("train", *arguments)
  assert done.returncode == 0, done.stderr
  _assert_same_run(stopped, whole)


def test_a_run_goes_on_when_nobody_reads_what_it_prints(launcher, whole):
  process = subprocess.Popen(
    [sys.executable, "-m", "launch.train", *launcher.train_arguments("piped")],
    cwd=launcher.folder,
    env=launcher.environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
  )
  process.stdout.readline()
  process.stdout.close()  # As `| head -1` does.
  assert process.wait() == 0
  _assert_same_run(launcher.folder / "piped", whole)


def test_the_record_holds_no_path_of_the_machine(launcher, whole):
  text = (whole / "record.json").read_text()
  assert str(launcher.folder) not in text
  assert str(launcher.root) not in text
  command = json.loads(text)["command"]
  assert command.startswith(
    "python -m launch.train --config=configs/molpcba.py:gin,sum"
    " --config.dataset=molecules.csv"
  )
  assert "--config.num_steps=31" in command
  assert "workdir" not in command


def test_a_complete_run_says_so(launcher, whole):
  done = launcher.here("train", *launcher.train_arguments("whole"))
  assert done.returncode == 0
  assert (
    done.stdout
    == "whole holds this run, and it is complete: there is nothing to do\n"
  )


def test_another_config_is_refused(launcher, whole):
  arguments = launcher.train_arguments("whole", "--config.seed=7")
  assert launcher.fail("train", *arguments) == (
    "error: workdir whole holds a run with seed=0, not 7"
  )


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (
      [_CONFIG, "--config.widht=3"],
      "Did you mean 'model.message_passing.width'",
    ),
    ([_CONFIG, "--config.model.readuot.name=x"], "'model.readout.name'"),
    ([_CONFIG, "--config.num_steps=many"], "expects an integer, got 'many'"),
    (["--config=configs/molpbca.py:gcn,sum"], "Did you mean 'molpcba.py'"),
    (["--config=configs/molpcba.py:gcm,sum"], "passing 'gcm'. Did"),
    ([_CONFIG, "--workdri=x"], "Unknown command line flag 'workdri'"),
    ([], "--config must have a value"),
    ([_CONFIG, "extra"], "unexpected argument 'extra'"),
    (["--config=configs/molpcba.py:gcn,summ"], "Did you mean 'sum'"),
    ([_CONFIG, "--config.dataset=ogbg-molhvi"], "Did you mean 'ogbg-molhiv'"),
    ([_CONFIG, "--config.dataset=none.csv"], "none.csv: no such file"),
    ([_CONFIG, "--config.batching.batch_size=-1"], "must be positive, got -1"),
  ],
)
def test_wrong_input_is_one_line(launcher, flags, message):
  flags = [
    flag.replace("configs", str(launcher.root / "configs")) for flag in flags
  ]
  assert message in launcher.fail("train", *flags, "--workdir=never")
  # Nothing is left behind that would stand in the way of the right command.
  assert not (launcher.folder / "never" / "config.json").exists()


def test_no_workdir_and_one_that_cannot_be(launcher):
  config = _CONFIG.replace("configs", str(launcher.root / "configs"))
  assert "--workdir must have a value" in launcher.fail("train", config)
  line = launcher.fail("train", config, "--workdir=molecules.csv/run")
  assert line == ("error: cannot write to molecules.csv/run: Not a directory")
