"""Commands side by side: restarts, locks, and being killed at any moment."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from gnn_readout.runs import devices, locks
from gnn_readout.sweeps import jobs, pool
from gnn_readout.sweeps.jobs import Hooks, Job, Outcome
from tests.sweeps import fake_runs
from tests.sweeps.fake_runs import is_complete, launch, saved_step, says
from tests.waiting import wait_for

# The threads of JAX, which other tests start, play no part in these commands.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork")


@pytest.fixture(autouse=True)
def _no_idling(monkeypatch):
  monkeypatch.setattr(pool, "_POLL_SECONDS", 0.01)


def _launch(folder):
  """Runs twelve of them, two at a time."""
  twelve = fake_runs.jobs(folder, 12)
  return pool.run_jobs(twelve, Hooks(is_complete, saved_step), 2)


def _shell(tmp_path, script, name="job"):
  script = f"cd '{tmp_path}/{name}'; {script}"
  return Job(name, ["sh", "-c", script], tmp_path / name)


def _run(*jobs, is_complete=is_complete, saved_step=lambda job: 0, **more):
  return pool.run_jobs(jobs, Hooks(is_complete, saved_step, **more), 2)


def test_workers_and_launcher_may_be_killed_and_nothing_runs_twice(tmp_path):
  def num_done():
    return len(list(tmp_path.glob("*/record")))

  # The first stays on one worker; what comes after `stopped` is not begun
  # before the launcher dies.
  deaf, killed, stopped, last = (tmp_path / f"run{i}" for i in (0, 1, 5, 11))
  for folder in (deaf, killed, stopped, last):
    folder.mkdir()
    (folder / ("deaf" if folder == deaf else "wait")).touch()
  launcher = launch(__file__, tmp_path)
  wait_for(lambda: says(killed, "step 1/5"))
  os.kill(int((killed / ".lock").read_text().split()[0]), signal.SIGKILL)
  (killed / "wait").unlink()
  wait_for(lambda: says(stopped, "step 1/5"))
  assert num_done() == 4
  launcher.kill()
  assert "killed by SIGKILL; step 1/5" in launcher.communicate()[0]
  wait_for(lambda: says(stopped, "end"))
  (stopped / "wait").unlink()
  assert locks.try_lock(deaf) is None  # What it left is still saving.
  launcher = launch(__file__, tmp_path)
  wait_for(lambda: num_done() == 10)
  assert (deaf / "log.txt").read_text() == "start 0\nstep 1/5\n"
  (deaf / "deaf").unlink()
  # Its launcher's death stopped it: it is not the one that goes on.
  wait_for(lambda: "end\nstart 1" in (deaf / "log.txt").read_text())
  wait_for(lambda: says(last, "step 1/5"))
  os.killpg(launcher.pid, signal.SIGINT)  # As Ctrl-C does.
  said, _ = launcher.communicate()
  assert launcher.returncode == 0
  assert "SIGINT: waiting for" in said
  for log in tmp_path.glob("*/log.txt"):  # Nothing is left behind.
    lock = locks.try_lock(log.parent)
    assert lock is not None
    os.close(lock)
  assert num_done() < 12
  (last / "wait").unlink()

  outcome = _launch(tmp_path)

  assert sorted(outcome.done) == sorted(f"run{i}" for i in range(12))
  assert (outcome.failed, outcome.signal) == ({}, "")
  for log in tmp_path.glob("*/log.txt"):
    lines = log.read_text().splitlines()
    steps = [line for line in lines if line.startswith("step")]
    assert steps == [f"step {i}/5" for i in range(1, 6)], log
    # Never two at a time: who was not killed ended before the next began.
    marks = [line for line in lines if line.split()[0] in ("start", "end")]
    starts = [i for i, mark in enumerate(marks) if mark != "end"]
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    assert gaps.count(1) == (log.parent == killed), log


@pytest.mark.parametrize(
  ("script", "why"),
  [
    ("echo started; echo 'error: bad'; exit 3", "exit status 3; error: bad"),
    ("kill -9 $$", "killed by SIGKILL"),
    ("true", "exit status 0"),  # It says that it is done and is not.
  ],
)
def test_a_job_without_progress_fails_after_two_restarts(
  tmp_path, script, why, capsys
):
  job = _shell(tmp_path, f"echo x >> tries; {script}")
  good = _shell(tmp_path, "touch record", "good")
  outcome = _run(job, good)
  assert outcome == Outcome(["good"], {"job": why}, "")
  assert (job.folder / "tries").read_text() == "x\n" * 3
  said = capsys.readouterr().out
  assert said.count("again   job  from step 0, after") == 2
  assert f"failed  job  {why}\n" in said


def test_a_later_checkpoint_counts_as_progress(tmp_path):
  def tries(job):
    path = job.folder / "tries"
    return len(path.read_text()) // 2 if path.exists() else 0

  job = _shell(tmp_path, "echo x >> tries; exit 1")
  outcome = _run(job, saved_step=lambda job: min(tries(job), 3))
  assert list(outcome.failed) == ["job"]
  assert tries(job) == 3 + 2
  job = _shell(tmp_path, "echo x >> tries; exit 1", "long")
  outcome = _run(job, is_complete=lambda j: tries(j) == 5, saved_step=tries)
  assert outcome.done == ["long"]


def test_it_waits_for_who_holds_a_folder(tmp_path, capsys):
  job = _shell(tmp_path, "touch ran record")
  other = _shell(tmp_path, "touch record", "other")
  job.folder.mkdir()
  lock = locks.try_lock(job.folder)

  def leave(done):
    if done == other:
      (job.folder / "record").touch()
      os.close(lock)

  outcome = _run(job, other, on_complete=leave)
  assert outcome.done == ["other", "job"]
  assert not (job.folder / "ran").exists()
  waiting = f"job: waiting until process {os.getpid()} on "
  assert capsys.readouterr().out.count(waiting) == 1


def test_a_command_finds_that_it_has_the_lock(tmp_path):
  take = (
    "import sys; from gnn_readout.runs import locks\n"
    "with locks.hold(sys.argv[1]):\n"
    "  assert locks.try_lock(sys.argv[1]) is None\n"
    "  open(sys.argv[1] + '/record', 'w').close()"
  )
  folder = tmp_path / "job"
  job = Job("job", [sys.executable, "-c", take, str(folder)], folder)
  assert _run(job).done == ["job"], jobs.last_line(folder / jobs.LOG)


def test_after_an_error_nothing_is_left_running(tmp_path):
  def is_complete(job):
    if (tmp_path / "job" / "pid").exists():
      raise ValueError("record.json is damaged")
    return False

  for name in ("begun", "never"):
    os.mkfifo(tmp_path / name)
  # One waits for ever, the other for the first to have begun.
  job = _shell(
    tmp_path, "echo $$ > p; mv p pid; echo > ../begun; exec cat ../never"
  )
  quick = _shell(tmp_path, "read line < ../begun", "quick")
  with pytest.raises(ValueError, match="is damaged"):
    _run(job, quick, is_complete=is_complete)
  with pytest.raises(ProcessLookupError):
    os.kill(int((job.folder / "pid").read_text()), 0)


def test_what_cannot_be_run_is_named(tmp_path):
  folder = tmp_path / "job"
  with pytest.raises(OSError, match="no_such_program"):
    _run(Job("job", ["no_such_program"], folder))
  (tmp_path / "file").touch()
  with pytest.raises(OSError, match="Not a directory: '.*/file/job'"):
    _run(Job("job", ["true"], tmp_path / "file" / "job"))


def test_cores_are_shared_out(monkeypatch, tmp_path):
  if len(os.sched_getaffinity(0)) > 1:
    say = "grep Cpus_allowed_list /proc/self/status > cores; touch record"
    job, other = _shell(tmp_path, say), _shell(tmp_path, say, "other")
    _run(job, other)
    assert (job.folder / "cores").read_text() != (
      other.folder / "cores"
    ).read_text()
  monkeypatch.setattr(os, "sched_getaffinity", lambda _: {11, 2, 3, 5, 7})
  assert devices.shares_of_cores(2) == [{2, 3}, {5, 7, 11}]
  assert devices.shares_of_cores(5) == [{2}, {3}, {5}, {7}, {11}]
  assert devices.shares_of_cores(1) == [set()]
  assert devices.shares_of_cores(6) == [set()] * 6


if __name__ == "__main__":
  _launch(sys.argv[1])
