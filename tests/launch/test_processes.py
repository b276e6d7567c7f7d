"""Two processes that train one model, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.launch.test_train import _last_arrays, _signal_at
from tests.sweeps import cluster

# On one worker, which makes the folder of the molecules once.
pytestmark = pytest.mark.xdist_group("launch")

_DEVICES = "--config.num_devices=2"


def _arguments(launcher, workdir, *flags):
  return launcher.train_arguments(
    workdir, "--config.batching.batch_size=4", *flags
  )


def _free_address():
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{free.getsockname()[1]}"


def _run_two(launcher, workdir, *flags, first=""):
  """Runs two processes to their end; `first` is executed in the second one.

  Returns:
    Of each the status and what it said on standard output and error.
  """
  address, processes = _free_address(), []
  for number in range(2):
    code = (
      f"{first if number else ''}\n"
      "import runpy; runpy.run_module('launch.train', None, '__main__')"
    )
    processes.append(
      subprocess.Popen(
        [
          *(sys.executable, "-c", code),
          *_arguments(launcher, workdir, *flags),
          *(f"--coordinator={address}", "--num_processes=2"),
          f"--process_id={number}",
        ],
        cwd=launcher.folder,
        env=launcher.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  try:
    said = [process.communicate(timeout=600) for process in processes]
  finally:
    for process in processes:
      process.kill()
  return [(p.returncode, *x) for p, x in zip(processes, said, strict=True)]


def _train_with_two(launcher, workdir, *flags, first=""):
  """Returns the lines that each of two processes says on standard output."""
  said = []
  for status, output, errors in _run_two(
    launcher, workdir, *flags, first=first
  ):
    assert status == 0, errors
    # The library that connects them does not ask where to print.
    said.append([x for x in output.splitlines() if not x.startswith("[Gloo]")])
  return said


def _assert_same(one, two):
  first, second = _last_arrays(one), _last_arrays(two)
  assert first.keys() == second.keys()
  for name in first:
    np.testing.assert_array_equal(first[name], second[name], err_msg=name)
  records = [json.loads((x / "record.json").read_text()) for x in (one, two)]
  for field in ("curves", "best", "test", "config_hash", "padding"):
    assert records[0][field] == records[1][field]
  assert records[0]["num_devices"] == records[1]["num_devices"] == 2


def _started_by(launcher, words, workdir):
  """Runs what `words` start, without a word about processes to the program."""
  return subprocess.run(
    [
      *(*words, sys.executable, "-m", "launch.train"),
      *_arguments(launcher, workdir, _DEVICES),
    ],
    cwd=launcher.folder,
    env={**launcher.environment, **_slurm()},
    capture_output=True,
    text=True,
    timeout=600,
  )


def _slurm():
  return {k: v for k, v in os.environ.items() if k.startswith("SLURM_")}


@pytest.fixture(scope="module")
def alone(launcher):
  """The folder of a run of one process with two devices."""
  done = launcher.run("train", *_arguments(launcher, "alone", _DEVICES))
  assert done.returncode == 0, done.stderr
  return launcher.folder / "alone"


@pytest.mark.slow
def test_srun_starts_two_processes_that_find_each_other(launcher, alone):
  with cluster.running():
    done = _started_by(
      launcher, ("srun", "--ntasks=2", "--cpus-per-task=1", "--mem=0"), "srun"
    )
  assert done.returncode == 0, done.stderr
  assert "in 2 processes" in done.stdout
  _assert_same(alone, launcher.folder / "srun")


@pytest.mark.slow
def test_mpirun_starts_two_processes_that_find_each_other(launcher, alone):
  if not shutil.which("mpirun"):
    pytest.skip("no Open MPI here: mpirun is not found")
  words = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2")
  done = _started_by(launcher, words, "mpirun")
  assert done.returncode == 0, done.stderr
  assert "in 2 processes" in done.stdout
  _assert_same(alone, launcher.folder / "mpirun")


@pytest.mark.slow
def test_two_processes_are_one_with_two_devices(launcher, alone):
  said = _train_with_two(launcher, "two")
  assert any("in 2 processes" in line for line in said[0])
  assert said[1] == []
  two = launcher.folder / "two"
  _assert_same(alone, two)
  record = json.loads((two / "record.json").read_text())
  assert (record["num_processes"], record["num_hosts"]) == (2, 1)
  logged = [json.loads(line) for line in (two / "metrics.jsonl").open()]
  steps = [line["step"] for line in logged if "loss" in line]
  assert steps == sorted(set(steps))  # Nobody else has written there.


@pytest.mark.slow
def test_a_signal_to_one_stops_both_at_one_step(launcher, alone):
  first = _signal_at(15, "SIGTERM")
  said = _train_with_two(launcher, "stopped", first=first)
  stopped = launcher.folder / "stopped"
  assert not (stopped / "record.json").exists()
  (step,) = (stopped / "checkpoints" / "latest").iterdir()
  assert f"SIGTERM: saved step {step.name}" in said[0][-1]
  # Another number of processes goes on, and ends as if nothing had been.
  done = launcher.run("train", *_arguments(launcher, "stopped", _DEVICES))
  assert done.returncode == 0, done.stderr
  assert f"resuming from the checkpoint of step {step.name}" in done.stdout
  _assert_same(alone, stopped)


@pytest.mark.slow
def test_an_error_of_one_ends_both(launcher):
  (first, _, said), (second, _, nothing) = _run_two(
    launcher, "never", "--config.dataset=none.csv"
  )
  assert (first, second) == (1, 1)
  assert "error: none.csv: no such file" in said
  assert "error" not in nothing


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (
      ["--config.num_devices=32", "--config.batching.batch_size=32"],
      "num_devices=32 is more than available: there are 2 devices, at most 2",
    ),
    (
      ["--config.num_devices=3"],
      "batch_size=4 cannot be divided evenly among 3 devices; it must be a"
      " multiple of 3",
    ),
    (["--config.num_devices=-1"], "num_devices must not be negative, got -1"),
    (["--num_processes=2"], "belong together, got None, 2 and None"),
    (
      ["--coordinator=host", "--num_processes=2", "--process_id=0"],
      "--coordinator must be HOST:PORT, got 'host'",
    ),
    (
      ["--coordinator=host:1", "--num_processes=2", "--process_id=2"],
      "--process_id must be from 0 to 1, got 2",
    ),
  ],
)
def test_what_cannot_be_is_one_line(launcher, flags, message):
  arguments = _arguments(launcher, "never", *flags)
  assert message in launcher.fail("train", *arguments)
  assert not (launcher.folder / "never" / "config.json").exists()
