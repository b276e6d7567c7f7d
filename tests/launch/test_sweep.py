"""The binary that does the runs of a sweep."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from configs import median, molpcba, omniglot, polygons
from gnn_readout.sweeps import files as sweep_files
from gnn_readout.training import members

# On one worker, with the other tests of binaries.
pytestmark = pytest.mark.xdist_group("launch")

_TINY = """
from configs import molpcba

def get_config(variant="gin,sum"):
  config = molpcba.get_config(variant)
  config.dataset = "molecules.csv"
  config.model.message_passing.update(width=5, num_layers=1)
  config.batching.update(batch_size=5, num_buckets=1)
  config.update(num_epochs=0.0, num_steps=4, eval_every=2, tensorboard=False)
  return config

def _grid(num_seeds):
  for seed in range(num_seeds):
    for rate in (1e-3, 1e-2):
      yield {"variant": "gin,sum", "seed": seed,
             "optimizer.learning_rate": rate}

def pair():
  yield from _grid(1)

def dozen():
  yield from _grid(6)

def nothing():
  yield from ()

def partly():
  yield from list(_grid(2))[:3]

def variants():
  for variant in ("gin,sum", "gin,mean"):
    for rate in (1e-3, 1e-2):
      yield {"variant": variant, "optimizer.learning_rate": rate}

def broken():
  yield {"variant": "gin,sum"}
  raise KeyError("rate")

def wrong():
  yield "gin,sum"

def unknown():
  yield {"variant": "gin,sum", "model.readuot.name": "mean"}

def impossible():
  yield {"variant": "gin,sum", "seed": -1}
"""
_NAMES = [
  "gin,sum-seed=0-learning_rate=0.001",
  "gin,sum-seed=0-learning_rate=0.01",
]


@pytest.fixture
def tiny(tmp_path):
  (tmp_path / "tiny.py").write_text(_TINY)
  return f"{tmp_path}/tiny.py"


@pytest.fixture(scope="module")
def folder(launcher):
  """A folder in which the sweep `pair` is complete."""
  (launcher.folder / "tiny.py").write_text(_TINY)
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
  assert "2 runs in sweep: 2 done, 0 to go on, 0 new" in done.stdout
  assert stamps() == before
  line = launcher.fail("sweep", *_flags("pair", "--set", "num_steps=3"))
  assert "is of another config; num_steps: here 3, there 4" in line


def test_a_dry_run_prints_what_is_left(launcher, folder):
  done = launcher.run("sweep", *_flags("dozen", "--dry_run", "--workers=3"))
  assert done.returncode == 0, done.stderr
  measured, *lines = done.stdout.splitlines()
  # One program for all seeds and rates.
  (ms,) = re.findall(r"rate=0.001: ([\d.]+) ms a step, over", measured)
  assert measured.startswith("gin,sum-seed=1-learning_rate=0.001")
  rows = [line.split() for line in lines if line.startswith(" gin")]
  assert [row[1] for row in rows] == ["done"] * 2 + ["new"] * 10
  assert [row[2:4] for row in rows[2:]] == [["4", ms]] * 10
  # Ten runs on three workers: one of them has four.
  (hours,) = re.findall(r"^([\d.e-]+) hours for 3 workers", lines[-1])
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
  (ms,) = re.findall(r"([\d.]+) ms a step, over", measured)
  assert measured.startswith(f"{name}: ")
  assert lines[1].split()[:4] == [name, "new", "4", ms]
  assert lines[2] == "1 runs, 0 done, 1 to do"


def test_what_differs_in_seed_and_rate_is_one_run(tiny):
  _, alone = sweep_files.read(f"{tiny}:dozen", [], together=False)
  _, (run,) = sweep_files.read(f"{tiny}:dozen", ["num_steps=3"])
  text = "seed=0,1,2,3,4,5 optimizer.learning_rate=0.001,0.01"
  assert run.name == "gin,sum-seed=0,1,2,3,4,5-learning_rate=0.001,0.01"
  assert f"--config.population={text}" in run.arguments
  assert [
    (config.seed, config.optimizer.learning_rate)
    for config in members.expand(run.config)
  ] == [(x.config.seed, x.config.optimizer.learning_rate) for x in alone]
  assert {x.num_steps for x in members.expand(run.config)} == {3}


def test_what_is_no_population_stays_apart(tiny):
  # Three of four combinations, another variant, a population already.
  _, runs = sweep_files.read(f"{tiny}:partly", [])
  assert [run.config.population for run in runs] == [""] * 3
  _, runs = sweep_files.read(f"{tiny}:variants", [])
  assert [run.name for run in runs] == [
    "gin,sum-learning_rate=0.001,0.01",
    "gin,mean-learning_rate=0.001,0.01",
  ]
  _, runs = sweep_files.read(f"{tiny}:variants", ["population=seed=0,1"])
  assert {run.config.population for run in runs} == {"seed=0,1"}
  assert len(runs) == 4


@pytest.mark.parametrize(
  ("sweep", "changes", "message"),
  [
    (
      "{file}:dozn",
      [],
      r"no sweep 'dozn' in .* Did you mean 'dozen'\? Known: b",
    ),
    (
      "{file}",
      [],
      "no sweep '' in .*tiny.py. Known: broken, dozen, impossible",
    ),
    ("{file}:_grid", [], "no sweep '_grid' in"),
    ("{file}:get_config", [], "no sweep 'get_config' in"),
    ("{file}x:dozen", [], r"no config file '.*'\. Did you mean 'tiny.py'\?"),
    ("launch/cli.py:run", [], "is no config file: KeyError: 'get_config'"),
    ("configs/demo.py:x", [], "configs/demo.py has no sweeps, which are fun"),
    ("{file}:nothing", [], "sweep .*nothing is empty: it yields no run"),
    ("{file}:broken", [], "sweep .*:broken: KeyError: 'rate'"),
    ("{file}:wrong", [], "must yield dictionaries of fields, got 'gin,sum'"),
    ("{file}:unknown", [], "field 'model.readuot.name'. Did .*'model.readout"),
    ("{file}:impossible", [], "run .*seed=-1: seed must not be negative"),
    ("{file}:pair", ["num_epoch=3"], "'num_epoch'. Did you mean 'num_epochs'"),
    ("{file}:pair", ["num_steps=x"], "num_steps=x: 'x' is not a whole number"),
    ("{file}:pair", ["num_steps"], "--set takes FIELD=VALUE, got 'num_steps'"),
    ("{file}:pair", ["=3"], "--set takes FIELD=VALUE, got '=3'"),
    ("{file}:pair", ["batching.batch_size=0"], "must be positive, got 0"),
  ],
)
def test_wrong_input(tiny, launcher, sweep, changes, message, monkeypatch):
  monkeypatch.chdir(launcher.root)
  with pytest.raises((ValueError, OSError), match=message):
    sweep_files.read(sweep.format(file=tiny), changes)


def test_changes_go_over_every_run_as_on_the_command_line(tiny):
  changes = ["dataset=tu/X=Y.csv", "num_epochs=3", "tensorboard=true"]
  name, runs = sweep_files.read(f"{tiny}:pair", changes, together=False)
  assert name == "pair"
  assert [run.name for run in runs] == _NAMES
  for run in runs:
    assert run.config.dataset == "tu/X=Y.csv"
    assert run.config.num_epochs == 3.0
    assert run.config.tensorboard is True
    assert "--config.dataset=tu/X=Y.csv" in run.arguments
  # What the sweep varies can be set too; the runs that are left keep their
  # names, so that their folders do for the whole sweep.
  changes = ["optimizer.learning_rate=1e-2"]
  _, (run,) = sweep_files.read(f"{tiny}:pair", changes)
  assert run.name == _NAMES[1]


@pytest.mark.parametrize(
  ("config", "name", "first"),
  [
    (molpcba, "table2", "gcn,sum-learning_rate=0.0001"),
    (
      molpcba,
      "ablation_time",
      "gcn,sum,paper-learning_rate=0.0003-num_epochs=0.0-num_steps=2000",
    ),
    (median, "figure3", None),
    (omniglot, "figure4", None),
    (polygons, "table5_2", None),
  ],
)
def test_sweeps_that_there_are(config, name, first):
  _, runs = sweep_files.read(f"{config.__file__}:{name}", [], together=False)
  assert len(runs) == len(list(getattr(config, name)()))
  assert first in (None, runs[0].name)


@pytest.mark.slow
def test_twelve_runs_through_kills_of_a_worker_and_of_the_launcher(launcher):
  (launcher.folder / "tiny.py").write_text(_TINY)
  workdir = launcher.folder / "killed"
  command = [sys.executable, "-m", "launch.sweep", *_flags("dozen")]
  command.remove("--workdir=sweep")

  def start():
    return subprocess.Popen(
      [*command, "--workdir=killed", "--workers=2"],
      cwd=launcher.folder,
      env=launcher.environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  def done():
    return {x: x.stat().st_mtime_ns for x in workdir.glob("*/record.json")}

  def wait_for(condition):
    deadline = time.monotonic() + 120
    while not (found := condition()):
      assert time.monotonic() < deadline
      time.sleep(0.01)
    return found

  def training():
    begun = workdir.glob("*/config.json")
    return [x.parent for x in begun if not (x.parent / "record.json").exists()]

  process = start()
  victim = wait_for(training)[0]
  os.kill(int((victim / ".lock").read_text()), signal.SIGKILL)
  wait_for(lambda: len(done()) >= 3 and training())
  process.kill()
  assert "killed by SIGKILL" in process.communicate()[0]
  first = done()
  process = start()
  wait_for(lambda: len(done()) >= 6)
  process.terminate()
  said = process.communicate()[0]
  assert process.returncode == 0, said
  assert "SIGTERM: stopped; the same command goes on" in said
  second = done()
  assert first.items() <= second.items()
  process = start()
  said = process.communicate()[0]
  assert process.returncode == 0, said
  assert "12 of 12 runs complete" in said
  assert second.items() <= done().items()
  assert len(done()) == 12
  for record in done():
    log = (record.parent / "log.txt").read_text()
    assert log.count("\ntest ap") == 1  # Not trained to the end again.
    assert "nothing to do" not in log
