"""Jobs as an array of Slurm's: cancelled, adopted, refused. A real Slurm."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from gnn_readout.sweeps import jobs, slurm
from gnn_readout.sweeps.jobs import Hooks, Job
from tests.sweeps import cluster, fake_runs
from tests.sweeps.fake_runs import is_complete, launch, saved_step, says
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture(scope="module")
def slurm_cluster():
  with cluster.running():
    yield


@pytest.fixture(autouse=True)
def _no_idling(monkeypatch):
  monkeypatch.setattr(slurm, "_POLL_SECONDS", 0.05)


def _launch(folder, **options):
  """Runs six of them, two at a time."""
  slurm._POLL_SECONDS = 0.05
  six = fake_runs.jobs(folder, 6)
  return slurm.run_jobs(
    six,
    Hooks(is_complete, saved_step),
    slurm.Options(max_running=2, **options),
    pathlib.Path(folder),
  )


def _run(folder, *shells, **options):
  hooks = Hooks(is_complete, lambda job: 0)
  return slurm.run_jobs(shells, hooks, slurm.Options(**options), folder)


def _shell(folder, script, name="job"):
  script = f"cd '{folder}/{name}'; {script}"
  return Job(name, ["sh", "-c", script], folder / name)


def _queue():
  """The rows of all tasks that the cluster has, such as '1_0 RUNNING'."""
  words = ("squeue", "--noheader", "--array", "--format=%F_%K %T")
  done = subprocess.run(words, capture_output=True, text=True, check=True)
  return done.stdout.splitlines()


def _starts(folder):
  return [
    line
    for line in (folder / "log.txt").read_text().splitlines()
    if line.startswith("start")
  ]


def test_six_runs_through_what_clusters_do(slurm_cluster, tmp_path):
  folders = [tmp_path / f"run{i}" for i in range(6)]
  for folder in folders:
    folder.mkdir()
    (folder / "wait").touch()
  launcher = launch(__file__, tmp_path)
  wait_for(lambda: all(says(folder, "step 1/5") for folder in folders[:2]))
  assert not (folders[2] / "log.txt").exists()  # Two at a time.

  # A user cancels a task: it saves, and is submitted again.
  task = next(row.split()[0] for row in _queue() if "_0 RUNNING" in row)
  subprocess.run(["scancel", task], check=True)
  wait_for(lambda: says(folders[2], "step 1/5"))
  assert _starts(folders[0]) == ["start 0"]

  # The watcher dies; the tasks do not, and the next one finds them.
  launcher.kill()
  launcher.communicate()
  (folders[1] / "wait").unlink()
  wait_for(lambda: says(folders[3], "step 1/5"))
  launcher = launch(__file__, tmp_path)
  (folders[2] / "wait").unlink()
  wait_for(lambda: says(folders[4], "step 1/5"))

  # A job of more weight takes the node; what it takes it from is requeued.
  cores = os.cpu_count()
  urgent = ("sbatch", "--partition=urgent", f"--cpus-per-task={cores}")
  script = "until [ -e done ]; do sleep 0.05; done"
  subprocess.run(
    [*urgent, "--wrap", script, "--output=/dev/null", f"--chdir={tmp_path}"],
    check=True,
    stdout=subprocess.PIPE,
  )
  wait_for(lambda: says(folders[3], "end") and says(folders[4], "end"))
  (tmp_path / "done").touch()
  wait_for(lambda: "start 1" in _starts(folders[3]))

  # The watcher is stopped, and all tasks with it.
  os.killpg(launcher.pid, signal.SIGINT)
  said, _ = launcher.communicate()
  assert launcher.returncode == 0
  assert (
    "runs already submitted to Slurm" in said and "SIGINT: waiting for" in said
  )
  assert not any(" RUNNING" in row or " PENDING" in row for row in _queue())

  for folder in folders:
    (folder / "wait").unlink(missing_ok=True)
  outcome = _launch(tmp_path)
  assert sorted(outcome.done) == [folder.name for folder in folders]
  assert (outcome.failed, outcome.signal) == ({}, "")
  for folder in folders:
    log = (folder / "log.txt").read_text().splitlines()
    steps = [line for line in log if line.startswith("step")]
    assert steps == [f"step {i}/5" for i in range(1, 6)], folder
    assert (folder / "record").exists()


def test_a_job_without_progress_fails_after_two_restarts(
  slurm_cluster, tmp_path, capsys
):
  job = _shell(tmp_path, "echo x >> tries; echo 'error: bad'; exit 3")
  good = _shell(tmp_path, "touch record", "good")
  outcome = _run(tmp_path, job, good, time="7")
  why = "it ended without a new checkpoint within --slurm.time=7; error: bad"
  assert outcome == jobs.Outcome(["good"], {"job": why}, "")
  assert (job.folder / "tries").read_text() == "x\n" * 3
  assert capsys.readouterr().out.count("again   job  from step 0") == 2


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"partition": "none"}, "sbatch: .*invalid partition specified: none"),
    ({"time": "soon"}, "sbatch: .*time"),
    ({"more": ["--nodes=many"]}, "sbatch: .*many"),
  ],
)
def test_what_slurm_refuses(slurm_cluster, tmp_path, options, message):
  job = _shell(tmp_path, "touch record")
  with pytest.raises(ValueError, match=f"(?i){message}"):
    _run(tmp_path, job, **options)
  assert not (job.folder / "record").exists()


def test_no_cluster(tmp_path, monkeypatch):
  job = _shell(tmp_path, "touch record")
  (tmp_path / "bin").mkdir()
  monkeypatch.setenv("PATH", str(tmp_path / "bin"))
  with pytest.raises(ValueError, match="squeue: not found; .*print_commands"):
    _run(tmp_path, job)
  squeue = tmp_path / "bin" / "squeue"
  said = "squeue: error: no controller"
  squeue.write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1")
  squeue.chmod(0o755)
  with pytest.raises(ValueError, match=f"^{said}"):
    _run(tmp_path, job)


if __name__ == "__main__":
  _launch(sys.argv[1])
