"""A config with a population leaves the folders that lone runs would."""

from __future__ import annotations

import json
import os
import signal

import jax
import numpy as np
import pytest

from gnn_readout.data import batches
from gnn_readout.runs import checkpoints
from gnn_readout.training import evaluation, trainer


@pytest.fixture
def population(config):
  """Three members that log every 3 steps and are evaluated every 5."""
  with config.unlocked():
    config.population = "seed=0,1,2"
  config.tensorboard = True
  return config


def _alone(config, seed):
  config = config.copy_and_resolve_references()
  config.update(population="", seed=seed)
  return config


def _lines(folder):
  return [
    json.loads(line)
    for line in (folder / "metrics.jsonl").read_text().splitlines()
  ]


def _files(folder):
  """Names of all files but those of checkpoints and events, which vary."""
  return sorted(
    str(path.relative_to(folder))
    for path in folder.rglob("*")
    if path.is_file()
    and not {".lock", "checkpoints", "tensorboard"} & {*path.parts}
  )


def test_a_members_folder_is_that_of_the_run_alone(store, population, tmp_path):
  with jax.enable_x64(True):
    records = trainer.train(population, tmp_path / "all", command="typed")
    (alone,) = trainer.train(_alone(population, 1), tmp_path / "alone")
  assert [record["seed"] for record in records] == [0, 1, 2]
  member, folder = tmp_path / "all/members/seed=1", tmp_path / "alone"
  for name in ("config.json",):
    assert (member / name).read_text() == (folder / name).read_text()
  assert _files(member) == _files(folder)
  for name in ("best", "latest"):
    steps = [checkpoints.latest_step(x, name) for x in (member, folder)]
    assert steps[0] == steps[1]
  assert len(list((member / "tensorboard").iterdir())) == 1
  # The same curves at the same steps.
  for ours, other in zip(_lines(member), _lines(folder), strict=True):
    assert ours.keys() == other.keys()
    for key in ours.keys() - {"graphs_per_second"}:
      np.testing.assert_allclose(ours[key], other[key], rtol=1e-9)
  record = records[1]
  assert record.keys() == alone.keys()
  for curve in ("train", "valid"):
    ours, other = record["curves"][curve], alone["curves"][curve]
    np.testing.assert_allclose(ours, other, rtol=1e-9)
  same = ("config", "config_hash", "dataset", "epochs", "padding", "steps")
  for field in same:
    assert record[field] == alone[field], field
  assert record["best"] == pytest.approx(alone["best"])
  assert record["test"]["value"] == pytest.approx(alone["test"]["value"])
  assert (record["num_members"], alone["num_members"]) == (3, 1)


def test_members_are_evaluated_as_runs_are(store, population, tmp_path, capsys):
  records = trainer.train(population, tmp_path)
  for name in ("best", "latest"):
    found = evaluation.evaluate_checkpoint(
      tmp_path / "members/seed=1", "test", name
    )
    assert name == "latest" or found.value == records[1]["test"]["value"]
  with pytest.raises(ValueError, match="a population of 3 runs; name one of"):
    evaluation.evaluate_checkpoint(tmp_path, "test")
  capsys.readouterr()
  assert trainer.train(population, tmp_path) == records
  assert "nothing to do" in capsys.readouterr().out
  population.population = "seed=0,1"
  with pytest.raises(
    ValueError, match="population='seed=0,1,2', not 'seed=0,1'"
  ):
    trainer.train(population, tmp_path)


def test_a_stopped_population_ends_the_same(
  store, population, tmp_path, monkeypatch, capsys
):
  whole = trainer.train(population, tmp_path / "whole")
  real = batches.member_batches

  def stops(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == 7:
        os.kill(os.getpid(), signal.SIGTERM)
      yield item

  with monkeypatch.context() as patch:
    patch.setattr(batches, "member_batches", stops)
    assert trainer.train(population, tmp_path / "cut") is None
  assert "SIGTERM: saved step 8" in capsys.readouterr().out
  resumed = trainer.train(population, tmp_path / "cut")
  assert "resuming from the checkpoint of step 8" in capsys.readouterr().out
  for one, other in zip(whole, resumed, strict=True):
    for field in ("curves", "best", "test", "padding", "config_hash"):
      assert one[field] == other[field], field
  for name in ("seed=0", "seed=2"):
    one, other = (
      [line for line in _lines(tmp_path / x / "members" / name)]
      for x in ("whole", "cut")
    )
    for line in (*one, *other):
      line.pop("graphs_per_second", None)
    assert one == other


def test_a_population_without_survivors_says_so(store, population, tmp_path):
  population.optimizer.learning_rate = 3e38
  with pytest.raises(ValueError, match=r"seed=0: .*a smaller optimizer.learni"):
    trainer.train(population, tmp_path)
