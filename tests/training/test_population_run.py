"""A config with a population becomes the folders of its members' runs."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.training import evaluation, loop, runs


def test_members_are_runs_of_their_own(store, config, tmp_path, capsys):
  alone = config.copy_and_resolve_references()
  with config.unlocked(), alone.unlocked():
    config.population, alone.population = "seed=0,1,2", ""
  records = runs.train(config, tmp_path / "all", command="typed")
  alone.seed = 1
  record = loop.train(alone, tmp_path / "alone")
  assert [r["seed"] for r in records] == [0, 1, 2]
  curves = [r["curves"]["valid"] for r in (records[1], record)]
  np.testing.assert_allclose(*curves, rtol=1e-6)
  assert records[1]["best"] == pytest.approx(record["best"])
  tests = []
  for test in (records[1]["test"], record["test"]):
    assert test["scores"] == {test["metric"]: test["value"]}
    tests.append({k: v for k, v in test.items() if k != "scores"})
  assert tests[0] == pytest.approx(tests[1])
  assert records[1]["config_hash"] == record["config_hash"]
  assert records[1].keys() == record.keys()
  assert records[1]["padding"].keys() == record["padding"].keys()
  scored = evaluation.evaluate_checkpoint(
    tmp_path / "all" / "members" / "seed=1", "test"
  )
  assert scored.score.value == pytest.approx(record["test"]["value"])
  capsys.readouterr()
  assert runs.train(config, tmp_path / "all") == records
  assert "nothing to do" in capsys.readouterr().out
  config.population = "seed=0,1"
  with pytest.raises(ValueError, match="population: here 'seed=0,1', there"):
    runs.train(config, tmp_path / "all")


def test_a_population_without_survivors_says_so(store, config, tmp_path):
  with config.unlocked():
    config.population = "seed=0,1"
  config.optimizer.learning_rate = 3e38
  with pytest.raises(ValueError, match=r"seed=0: .*a smaller optimizer.learni"):
    runs.train(config, tmp_path)
