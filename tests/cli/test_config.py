"""The config of a command line: which words set which field."""

from __future__ import annotations

import pathlib

import pytest

from gnn_readout.cli import config

_ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = f"--config={_ROOT}/configs/tu.py:MUTAG,fspool"


@pytest.mark.parametrize(
  ("word", "expanded"),
  [
    ("--data_dir=~/x", "--data_dir=/me/x"),
    ("--config.dataset=~/x.csv", "--config.dataset=/me/x.csv"),
    ("--config=~/c.py:gcn,sum", "--config=/me/c.py:gcn,sum"),
    ("--workdir=x~/y", "--workdir=x~/y"),
    ("--json", "--json"),
  ],
)
def test_home_is_expanded_in_any_flag(monkeypatch, word, expanded):
  monkeypatch.setenv("HOME", "/me")
  assert config.expand_home(word) == expanded


def test_arguments_that_a_config_does_not_name():
  words = [
    "--config.model.readout.initialisation=normal",
    "--config.seed",
    "3",
    "--config.tensorboard",
    "--noconfig.batching.keep_last",
    "--config.model.message_passing.initialisation=pytorch",
    "--config.model.readout.num_knots=7",
  ]
  found = config.parse_config([_CONFIG, *words])
  assert found.is_locked
  assert found.model.readout.to_dict() == {
    "name": "fspool",
    "aux_weight": 0.0,
    "num_knots": 7,
    "initialisation": "normal",
  }
  assert (found.seed, found.tensorboard) == (3, True)
  assert not found.batching.keep_last
  assert found.model.message_passing.initialisation == "pytorch"


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--config.model.readout.num_heads=4"], "no field 'model.readout.num_h"),
    (["--config.model.readout.num_knot=4"], "mean 'model.readout.num_knots'"),
    (
      ["--config.model.readout.num_knots=x"],
      "num_knots expects an integer, got 'x'",
    ),
    (["--config.seed"], "--config.seed must have a value"),
    (["--noconfig.seed"], "--config.seed expects an integer, got 'False'"),
    (["--config.seed", "--config.fold=1"], "--config.seed must have a v"),
  ],
)
def test_fields_that_cannot_be(flags, message):
  with pytest.raises(ValueError, match=message):
    config.parse_config([_CONFIG, *flags])
