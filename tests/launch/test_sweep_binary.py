"""The binary that does the runs of a sweep."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests.waiting import wait_for

_TINY = pathlib.Path(__file__).parents[1] / "sweeps" / "tiny.py"

# On one worker, with the other tests of binaries.
pytestmark = pytest.mark.xdist_group("launch")

_NAMES = [
  "gin,sum-seed=0-learning_rate=0.001",
  "gin,sum-seed=0-learning_rate=0.01",
]


@pytest.fixture(scope="module")
def folder(launcher):
  """A folder in which the sweep `pair` is complete."""
  shutil.copy(_TINY, launcher.folder / "tiny.py")
  done = launcher.run("sweep", *_flags("pair"), "--records=r")
  assert done.returncode == 0, done.stderr
  assert "2 of 2 runs complete, in sweep" in done.stdout
  return launcher.folder / "sweep"


def _flags(name, *more):
  alone = () if "--together" in more else ("--notogether",)
  return (f"--sweep=tiny.py:{name}", "--workdir=sweep", *alone, *more)


def test_a_sweep_leaves_records_that_say_how_to_repeat_them(launcher, folder):
  for name, rate in zip(_NAMES, (0.001, 0.01)):
    record = json.loads((folder / name / "record.json").read_text())
    assert record["config"]["optimizer"]["learning_rate"] == rate
    assert record["command"] == (
      "python -m launch.train --config=tiny.py:gin,sum --config.seed=0"
      f" --config.optimizer.learning_rate={rate}"
    )
    assert "test ap" in (folder / name / "log.txt").read_text()
    copy = launcher.folder / "r" / f"pair_{name}.json"
    assert json.loads(copy.read_text()) == record | {"name": f"pair_{name}"}


def test_what_is_complete_is_not_run_again(launcher, folder):
  def stamps():
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}

  before = stamps()
  done = launcher.run("sweep", *_flags("pair"))
  assert done.returncode == 0, done.stderr
  assert "2 runs in sweep: 2 done, 0 to resume, 0 new" in done.stdout
  assert stamps() == before
  line = launcher.fail("sweep", *_flags("pair", "--set", "num_steps=3"))
  assert "is the record of a run with num_steps=4, not 3" in line


def test_commands_for_any_launcher(launcher, folder):
  done = launcher.run("sweep", *_flags("dozen", "--print_commands"))
  assert done.returncode == 0, done.stderr
  lines = done.stdout.splitlines()
  assert len(lines) == 10
  last = "gin,sum-seed=5-learning_rate=0.01"
  assert shlex.split(lines[-1]) == [
    *(sys.executable, "-m", "launch.train", "--config=tiny.py:gin,sum"),
    *("--config.seed=5", "--config.optimizer.learning_rate=0.01"),
    f"--workdir={folder / last}",
  ]


def test_a_dry_run_prints_what_is_left(launcher, folder):
  done = launcher.run("sweep", *_flags("dozen", "--dry_run", "--workers=3"))
  assert done.returncode == 0, done.stderr
  measured, *lines = done.stdout.splitlines()
  # One program for all seeds and rates.
  (ms,) = re.findall(r"rate=0.001: ([\d.]+) ms per step, over", measured)
  assert measured.startswith("gin,sum-seed=1-learning_rate=0.001")
  rows = [line.split() for line in lines if line.startswith(" gin")]
  assert [row[1] for row in rows] == ["done"] * 2 + ["new"] * 10
  assert [row[2:4] for row in rows[2:]] == [["4", ms]] * 10
  # Ten runs on three workers: one of them has four.
  (hours,) = re.findall(r"^([\d.e-]+) hours with 3 workers", lines[-1])
  assert float(hours) == pytest.approx(
    4 * 4 * float(ms) / 3.6e6, abs=4 * 4 * 0.06 / 3.6e6
  )
  assert sorted(path.name for path in folder.glob("g*")) == _NAMES


def test_a_dry_run_times_a_population(launcher, folder):
  flags = _flags("dozen", "--dry_run", "--together")
  done = launcher.run("sweep", *flags)
  assert done.returncode == 0, done.stderr
  measured, *lines = done.stdout.splitlines()
  name = "gin,sum-seed=0,1,2,3,4,5-learning_rate=0.001,0.01"
  (ms,) = re.findall(r"([\d.]+) ms per step, over", measured)
  assert measured.startswith(f"{name}: ")
  assert lines[1].split()[:4] == [name, "new", "4", ms]
  assert lines[2] == "1 run, 0 done, 1 to do"


@pytest.mark.slow
def test_twelve_runs_through_kills_of_a_worker_and_of_the_launcher(launcher):
  shutil.copy(_TINY, launcher.folder / "tiny.py")
  workdir = launcher.folder / "killed"
  command = [sys.executable, "-m", "launch.sweep", *_flags("dozen")]
  command.remove("--workdir=sweep")
  said = launcher.folder / "said.txt"

  def start():
    with said.open("w") as file:
      return subprocess.Popen(
        [*command, "--workdir=killed", "--workers=2"],
        cwd=launcher.folder,
        env=launcher.environment,
        stdout=file,
        stderr=file,
      )

  def done():
    return {x: x.stat().st_mtime_ns for x in workdir.glob("*/record.json")}

  def kill_one():
    """Kills a run unless one has died already; says whether that is told."""
    if "killed by SIGKILL" in said.read_text():
      return True
    for config in workdir.glob("*/config.json"):
      if not (config.parent / "record.json").exists():
        with contextlib.suppress(ProcessLookupError):  # It just ended.
          os.kill(
            int((config.parent / ".lock").read_text().split()[0]),
            signal.SIGKILL,
          )
        break
    return False

  process = start()
  wait_for(kill_one)
  wait_for(lambda: len(done()) >= 3)
  process.kill()
  process.wait()
  first = done()
  assert len(first) < 12
  process = start()
  wait_for(lambda: len(done()) >= 6)
  process.terminate()
  assert process.wait() == 0, said.read_text()
  assert "SIGTERM: stopped; the same command resumes" in said.read_text()
  second = done()
  assert first.items() <= second.items()
  process = start()
  assert process.wait() == 0, said.read_text()
  assert "12 of 12 runs complete" in said.read_text()
  assert second.items() <= done().items()
  assert len(done()) == 12
  for record in done():
    log = (record.parent / "log.txt").read_text()
    assert log.count("\ntest ap") == 1  # Not trained to the end again.
    assert "nothing to do" not in log
