"""Runs whose checkpoints are damaged, and runs that are made longer."""

from __future__ import annotations

import json
import os
import re
import signal

import jax
import numpy as np
import pytest

from gnn_readout.data import batches
from gnn_readout.errors import Damaged
from gnn_readout.runs import checkpoints
from gnn_readout.training import evaluation, trainer


@pytest.fixture
def config(config):
  """Ten steps, evaluated after 5 and 10, which a longer run would be too."""
  config.update(num_steps=10, eval_every=5, log_every=5, checkpoint_every=5)
  return config


@pytest.fixture
def population(config):
  """Two members."""
  config.population = "seed=0,1"
  return config


def _flip(folder, name):
  """Flips one bit in the largest file of a checkpoint."""
  files = [x for x in (folder / "checkpoints" / name).rglob("*") if x.is_file()]
  path = max(files, key=lambda path: path.stat().st_size)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def _stop(monkeypatch, config, workdir, step, stream="train_batches"):
  """Trains until a signal comes with the batch of a step."""
  real = getattr(batches, stream)

  def stops(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == step:
        os.kill(os.getpid(), signal.SIGTERM)
      yield item

  with monkeypatch.context() as patch:
    patch.setattr(batches, stream, stops)
    assert trainer.train(config, workdir) is None


def _arrays(folder, name="latest"):
  import orbax.checkpoint as ocp

  step = checkpoints.latest_step(folder, name)
  path = folder / "checkpoints" / name / str(step) / "state"
  with ocp.StandardCheckpointer() as reader:
    return reader.restore(path.absolute())


def _assert_equal(one, two):
  assert jax.tree.all(jax.tree.map(np.array_equal, one, two))


def _longer(config, **lengths):
  config = config.copy_and_resolve_references()
  config.update(lengths)
  return config


def test_a_damaged_best_of_a_complete_run_is_made_anew(
  tmp_path, store, config, capsys
):
  (record,) = trainer.train(config, tmp_path)
  stamp = (tmp_path / "record.json").stat().st_mtime_ns
  _flip(tmp_path, "best")
  with pytest.raises(Damaged, match="best/.* trained the run writes it again"):
    evaluation.evaluate_checkpoint(tmp_path, "test")
  capsys.readouterr()
  assert trainer.train(config, tmp_path) == [record]
  step = record["best"]["step"]
  said = capsys.readouterr().out
  assert f"best/{step} is damaged: the file " in said
  assert f"written with; it was written again, for step {step}\n" in said
  result = evaluation.evaluate_checkpoint(tmp_path, "test")
  assert result.value == record["test"]["value"]
  assert (tmp_path / "record.json").stat().st_mtime_ns == stamp
  trainer.train(config, tmp_path)
  assert "nothing to do" in capsys.readouterr().out


def test_a_damaged_best_is_noticed_at_the_start(
  tmp_path, store, config, monkeypatch, capsys
):
  (whole,) = trainer.train(config, tmp_path / "whole")
  _stop(monkeypatch, config, tmp_path / "cut", 7)
  _flip(tmp_path / "cut", "best")
  capsys.readouterr()
  (record,) = trainer.train(config, tmp_path / "cut")
  said = capsys.readouterr().out
  assert said.index("written again, for step 5") < said.index("resuming from")
  assert record["test"] == whole["test"]
  _assert_equal(*(_arrays(tmp_path / x, "best") for x in ("whole", "cut")))
  # One that is not there at all is made as well.
  checkpoints.remove(tmp_path / "cut", "best")
  (tmp_path / "cut" / "record.json").unlink()
  assert trainer.train(config, tmp_path / "cut")[0]["test"] == whole["test"]
  assert "no checkpoint 'best' in" in capsys.readouterr().out


def test_a_damaged_latest_falls_back_to_the_best_when_asked(
  tmp_path, store, config, monkeypatch, capsys
):
  _stop(monkeypatch, config, tmp_path, 7)
  best = _arrays(tmp_path, "best")
  _flip(tmp_path, "latest")
  message = (
    r"latest/8 is damaged: .*; --from_best resumes from the best checkpoint,"
    r" of step 5$"
  )
  with pytest.raises(Damaged, match=message) as error:
    trainer.train(config, tmp_path)
  assert error.value.flags == ("--from_best",)
  assert checkpoints.latest_step(tmp_path) == 8  # Nothing was changed.
  # What was resumed can be stopped, and resumes from there.
  real = batches.train_batches
  seen = []

  def watches(*args, **kwargs):
    for item in real(*args, **kwargs):
      seen.append(item[0])
      if item[0] == 6:
        os.kill(os.getpid(), signal.SIGTERM)
      yield item

  with monkeypatch.context() as patch:
    patch.setattr(batches, "train_batches", watches)
    assert trainer.train(config, tmp_path, from_best=True) is None
  assert seen[0] == 5
  assert "resuming from the best checkpoint, of step 5" in (
    capsys.readouterr().out
  )
  _assert_equal(best, _arrays(tmp_path, "best"))
  (record,) = trainer.train(config, tmp_path)
  assert record["restarts"] == [5]
  assert [step for step, _ in record["curves"]["valid"]] == [5, 10]
  assert [step for step, _ in record["curves"]["train"]] == [5, 10]
  assert json.loads((tmp_path / "record.json").read_text()) == record


def test_where_both_are_damaged_the_run_begins_anew(
  tmp_path, store, config, monkeypatch
):
  _stop(monkeypatch, config, tmp_path, 7)
  _flip(tmp_path, "latest")
  _flip(tmp_path, "best")
  words = f"after `rm -r {re.escape(str(tmp_path))}/checkpoints` the same comm"
  for from_best in (False, True):
    with pytest.raises(Damaged, match=words) as error:
      trainer.train(config, tmp_path, from_best=from_best)
    assert error.value.flags == ()


def test_a_member_of_a_complete_population(tmp_path, store, population, capsys):
  records = trainer.train(population, tmp_path)
  member = tmp_path / "members" / "seed=1"
  before = _arrays(member, "best")
  _flip(member, "best")
  assert trainer.train(population, tmp_path) == records
  assert "seed=1/checkpoints/best/" in capsys.readouterr().out
  _assert_equal(before, _arrays(member, "best"))
  _flip(member, "best")
  _flip(member, "latest")
  with pytest.raises(Damaged, match=r"seed=1/checkpoints/latest/10 is damaged"):
    trainer.train(population, tmp_path)


def test_a_damaged_population_can_begin_anew(
  tmp_path, store, population, monkeypatch
):
  _stop(monkeypatch, population, tmp_path, 7, "member_batches")
  _flip(tmp_path / "programs" / "0", "latest")
  with pytest.raises(Damaged, match="after `rm -r .*/programs/0/checkpoints`"):
    trainer.train(population, tmp_path, from_best=True)


def test_a_complete_run_is_made_longer(
  tmp_path, store, config, monkeypatch, capsys
):
  longer = _longer(config, num_steps=20)
  (whole,) = trainer.train(longer, tmp_path / "whole")
  (short,) = trainer.train(config, tmp_path / "run")
  # Stopped on the way, it is neither complete nor another run.
  _stop(monkeypatch, longer, tmp_path / "run", 16)
  said = capsys.readouterr().out
  assert "resuming from the checkpoint of step 10" in said
  (record,) = trainer.train(longer, tmp_path / "run")
  for field in ("curves", "best", "test", "config", "config_hash", "padding"):
    assert record[field] == whole[field], field
  assert (short["steps"], record["steps"]) == (10, 20)
  _assert_equal(*(_arrays(tmp_path / x) for x in ("whole", "run")))
  assert trainer.train(longer, tmp_path / "run") == [record]
  assert "nothing to do" in capsys.readouterr().out
  with pytest.raises(
    ValueError, match="num_steps=20, not 10. A run can only be"
  ):
    trainer.train(config, tmp_path / "run")


def test_a_length_that_decides_the_rate_cannot_be_changed(
  tmp_path, store, config
):
  config.optimizer.schedule = "cosine"
  (record,) = trainer.train(config, tmp_path)
  with pytest.raises(
    ValueError, match="schedule 'cosine' spreads over the who"
  ):
    trainer.train(_longer(config, num_steps=20), tmp_path)
  assert trainer.train(config, tmp_path) == [record]


def test_a_complete_population_is_made_longer(
  tmp_path, store, population, monkeypatch
):
  with population.unlocked():  # Two programs, of two widths.
    population.population = "model.message_passing.width=5,7 seed=0,1"
  longer = _longer(population, num_steps=0, num_epochs=2.0)
  short = _longer(population, num_steps=0, num_epochs=1.0)
  whole = trainer.train(longer, tmp_path / "whole")
  trainer.train(short, tmp_path / "run")
  _stop(monkeypatch, longer, tmp_path / "run", 16, "member_batches")
  records = trainer.train(longer, tmp_path / "run")
  assert [record["steps"] for record in records] == [20] * 4
  for one, other in zip(records, whole, strict=True):
    for field in ("curves", "best", "test", "config_hash", "padding"):
      assert one[field] == other[field], field
  assert not (tmp_path / "run" / "programs").exists()
