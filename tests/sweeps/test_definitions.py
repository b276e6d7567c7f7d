"""The sweeps of a config file."""

from __future__ import annotations

import pathlib

import pytest

from configs import median, molpcba, omniglot, polygons
from gnn_readout.sweeps import definitions
from gnn_readout.training import members

ROOT = pathlib.Path(__file__).parents[2]
_TINY = ROOT / "tests" / "sweeps" / "tiny.py"
_NAMES = [
  "gin,sum-seed=0-learning_rate=0.001",
  "gin,sum-seed=0-learning_rate=0.01",
]


def test_what_differs_in_seed_and_rate_is_one_run():
  _, alone = definitions.read(f"{_TINY}:dozen", [], together=False)
  _, (run,) = definitions.read(f"{_TINY}:dozen", ["num_steps=3"])
  text = "seed=0,1,2,3,4,5 optimizer.learning_rate=0.001,0.01"
  assert run.name == "gin,sum-seed=0,1,2,3,4,5-learning_rate=0.001,0.01"
  assert f"--config.population={text}" in run.arguments
  assert [
    (config.seed, config.optimizer.learning_rate)
    for config in members.expand(run.config)
  ] == [(x.config.seed, x.config.optimizer.learning_rate) for x in alone]
  assert {x.num_steps for x in members.expand(run.config)} == {3}


def test_what_is_no_population_stays_apart():
  # Three of four combinations, another variant, a population already.
  _, runs = definitions.read(f"{_TINY}:partly", [])
  assert [run.config.population for run in runs] == [""] * 3
  _, runs = definitions.read(f"{_TINY}:variants", [])
  assert [run.name for run in runs] == [
    "gin,sum-learning_rate=0.001,0.01",
    "gin,mean-learning_rate=0.001,0.01",
  ]
  _, runs = definitions.read(f"{_TINY}:variants", ["population=seed=0,1"])
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
    ("gnn_readout/files.py:x", [], "not a config file: KeyError: 'get_config'"),
    (
      "configs/demo.py:x",
      [],
      "configs/demo.py has no sweeps; a sweep is a fun",
    ),
    ("{file}:nothing", [], "sweep .*nothing is empty: it yields no run"),
    ("{file}:broken", [], "sweep .*:broken: KeyError: 'rate'"),
    ("{file}:wrong", [], "must yield dictionaries of fields, got 'gin,sum'"),
    ("{file}:unknown", [], "field 'model.readuot.name'. Did .*'model.readout"),
    ("{file}:impossible", [], "run .*seed=-1: seed must not be negative"),
    ("{file}:pair", ["num_epoch=3"], "'num_epoch'. Did you mean 'num_epochs'"),
    ("{file}:pair", ["num_steps=x"], "num_steps expects an integer, got 'x'"),
    ("{file}:pair", ["num_steps"], "--set takes FIELD=VALUE, got 'num_steps'"),
    ("{file}:pair", ["=3"], "--set takes FIELD=VALUE, got '=3'"),
    ("{file}:pair", ["batching.batch_size=0"], "must be positive, got 0"),
  ],
)
def test_wrong_input(sweep, changes, message, monkeypatch):
  monkeypatch.chdir(ROOT)
  with pytest.raises((ValueError, OSError), match=message):
    definitions.read(sweep.format(file=_TINY), changes)


def test_changes_go_over_every_run_as_on_the_command_line():
  changes = ["dataset=tu/X=Y.csv", "num_epochs=3", "tensorboard=true"]
  name, runs = definitions.read(f"{_TINY}:pair", changes, together=False)
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
  _, (run,) = definitions.read(f"{_TINY}:pair", changes)
  assert run.name == _NAMES[1]


def test_a_length_takes_the_place_of_the_sweeps_own():
  sweep = f"{molpcba.__file__}:ablation_time"
  _, runs = definitions.read(sweep, ["num_epochs=3"])
  assert {(r.config.num_epochs, r.config.num_steps) for r in runs} == {(3.0, 0)}
  _, (first, *_) = definitions.read(sweep, ["num_steps=7"])
  assert (first.config.num_epochs, first.config.num_steps) == (0.0, 7)
  assert first.name.endswith("-num_epochs=0.0-num_steps=7")
  _, (run, *_) = definitions.read(f"{molpcba.__file__}:table2", ["num_steps=7"])
  assert (run.config.num_epochs, run.config.num_steps) == (0.0, 7)
  with pytest.raises(ValueError, match="both set the length of the run"):
    definitions.read(sweep, ["num_steps=7", "num_epochs=3"])


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
  _, runs = definitions.read(f"{config.__file__}:{name}", [], together=False)
  assert len(runs) == len(list(getattr(config, name)()))
  assert first in (None, runs[0].name)
