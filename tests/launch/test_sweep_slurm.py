"""Six real runs on a real Slurm, through all that it does to them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gnn_readout.sweeps import jobs
from tests.sweeps import cluster
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slurm")]

_TINY = pathlib.Path(__file__).parents[1] / "sweeps" / "tiny.py"


@pytest.fixture
def slurm_cluster():
  with cluster.running():
    yield


def _parameters(folder):
  import orbax.checkpoint as ocp

  found = {}
  for run in folder.glob("gin*"):
    latest = run / "checkpoints" / "latest"
    (step,) = (int(x.name) for x in latest.iterdir() if x.name.isdecimal())
    with ocp.StandardCheckpointer() as reader:
      state = reader.restore((latest / str(step) / "state").absolute())
    found[run.name] = step, state
  return found


def test_six_runs_end_as_without_it(launcher, slurm_cluster):
  import jax

  shutil.copy(_TINY, launcher.folder / "tiny.py")
  common = ("--sweep=tiny.py:six", "--set", "eval_every=500", "--notogether")
  done = launcher.run("sweep", *common, "--workdir=plain", "--workers=2")
  assert done.returncode == 0, done.stderr
  plain, there = launcher.folder / "plain", launcher.folder / "slurm"
  said = launcher.folder / "said.txt"

  def start(mode):
    with said.open(mode) as file:
      return subprocess.Popen(
        [
          *(sys.executable, "-m", "launch.sweep", *common),
          *("--workdir=slurm", "--cluster=slurm", "--slurm.time=1"),
          "--slurm.max_running=2",
        ],
        cwd=launcher.folder,
        env={**launcher.environment, "SLURM_CONF": os.environ["SLURM_CONF"]},
        stdout=file,
        stderr=file,
      )

  def queue(state):
    words = ("squeue", "--noheader", "--array", f"--states={state}")
    rows = subprocess.run(
      [*words, "--format=%F_%K"], capture_output=True, text=True, check=True
    )
    return rows.stdout.split()

  def logs():
    return [path.read_text() for path in there.glob("gin*/log.txt")]

  def num_going():
    return sum("compiled shape" in log for log in logs())

  launcher_process = start("w")
  wait_for(lambda: num_going() >= 2)
  # One preemption of whatever runs.
  cores = os.cpu_count()
  urgent = ("sbatch", "--partition=urgent", f"--cpus-per-task={cores}")
  subprocess.run(
    [*urgent, "--wrap", "sleep 1", "--output=/dev/null"],
    check=True,
    stdout=subprocess.PIPE,
  )
  wait_for(lambda: any("SIGTERM: saved step" in log for log in logs()))
  launcher_process.kill()  # And nobody watches for a while.
  launcher_process.wait()
  wait_for(lambda: num_going() >= 3)
  launcher_process = start("a")
  # One cancelled task.
  subprocess.run(["scancel", wait_for(lambda: queue("RUNNING"))[0]], check=True)
  assert launcher_process.wait() == 0, said.read_text()

  assert "6 of 6 runs complete" in said.read_text()
  assert "already submitted to Slurm" in said.read_text()
  # The long one met the limit of a minute, at least once.
  assert re.search("again .*seed=0.*it ended", said.read_text())
  records = [json.loads(x.read_text()) for x in there.glob("gin*/record.json")]
  assert len(records) == 6
  for folder in there.glob("gin*"):
    log = (folder / jobs.LOG).read_text()
    assert log.count("\ntest ap") == 1 and "nothing to do" not in log
    assert "resuming from the checkpoint" in log or "SIGTERM" not in log
  expected = _parameters(plain)
  assert len(expected) == 6
  assert jax.tree.all(
    jax.tree.map(np.array_equal, _parameters(there), expected)
  )
