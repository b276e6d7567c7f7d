"""A study trains what its protocol asks for, and resumes where it stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from typing import ClassVar

import numpy as np
import pytest

from configs import tu
from gnn_readout import data
from gnn_readout.data import batches
from gnn_readout.training import crossval, history

K = 5  # Folds.


@pytest.fixture
def store(make_store, monkeypatch):
  """Two classes, no splits."""
  store = make_store(node_sizes=(7,))
  schema = dataclasses.replace(
    store.schema,
    name="tu/T",
    task_type="multiclass",
    num_tasks=1,
    num_classes=2,
    metric="accuracy",
    task_names=("class",),
  )
  labels = np.resize([0.0, 1, 1], store.num_graphs)[:, None]
  store = dataclasses.replace(
    store, schema=schema, labels=labels.astype(np.float32), splits={}
  )
  monkeypatch.setattr(data, "load", lambda *unused, **options: store)
  return store


@pytest.fixture
def config():
  config = tu.get_config("T,sum")
  config.folds.num_folds = K
  config.grid = "model.message_passing.width=5,7 model.head.dropout_rate=0,0.5"
  config.update(num_epochs=2.0, repeats=2)
  return config


class _Program:
  num_steps = 2


class _Trainer:
  """Scores that follow from the config instead of training; counts calls."""

  calls: ClassVar[list] = []
  failure = ""
  stops_at = None

  def __init__(self, members, folder, splits):
    self._members, self._folder = members, folder
    self.program, self.seconds = _Program(), 1.0
    assert splits == ("valid", "test")

  def run(self, stop, progress, show):
    if len(self.calls) == self.stops_at:
      return False
    self.calls.append([m.config.to_dict() for m in self._members])
    show(1)
    self.histories = []
    for member in self._members:
      config, store = member.config, member.problem.store
      base = 0.5 + 0.01 * config.model.message_passing.width
      base += 0.1 * config.model.head.dropout_rate
      test = base + 0.001 * config.fold + 0.1 * config.folds.seed
      curves = history.History(failure=self.failure)
      curves.scores["valid"] = [[4, base], [8, base - 0.1]]
      curves.scores["test"] = [[4, test], [8, 0.9]]
      assert not set(store.splits["test"]) & set(store.splits["train"])
      self.histories.append(curves)
    return True


@pytest.fixture
def train(monkeypatch):
  """Replaces training; returns the configs of every call."""
  monkeypatch.setattr(crossval, "Trainer", _Trainer)
  monkeypatch.setattr(_Trainer, "calls", [])
  return _Trainer.calls


def test_a_study(store, config, train, tmp_path):
  record = crossval.run(config, "fspool2019", tmp_path, command="typed")
  # The widest with dropout has the best validation score, after one epoch.
  expected = [0.62 + 0.002 + 0.1 * seed for seed in (0, 1)]
  assert record["test"]["value"] == pytest.approx(np.mean(expected))
  assert record["test"]["deviation"] == pytest.approx(np.std(expected, ddof=1))
  assert record["test"]["count"] == 2
  chosen = {
    "model.message_passing.width": 7,
    "model.head.dropout_rate": 0.5,
  }
  assert record["repeats"][1]["chosen"] == [chosen] * K
  assert record["repeats"][1]["epochs"] == [1] * K
  assert len(record["repeats"][0]["tests"]) == K
  assert record["protocol"]["selected_on"] == "valid"
  # Two widths, each of two repeats: four chunks of all folds and dropouts.
  assert [len(call) for call in train] == [2 * K] * 4
  runs = [c for call in train for c in call]
  assert len({(c["folds"]["seed"], c["fold"], c["seed"]) for c in runs}) == (
    2 * K
  )
  assert (tmp_path / "splits" / f"T-{K}-seed1.json").exists()
  again = crossval.run(config, "fspool2019", tmp_path)
  assert len(train) == 4  # Nothing was trained again.
  assert again["repeats"] == record["repeats"]


def test_a_stopped_study_goes_on(store, config, train, tmp_path, monkeypatch):
  monkeypatch.setattr(_Trainer, "stops_at", 3)
  assert crossval.run(config, "fspool2019", tmp_path) is None
  assert not list(tmp_path.glob("*/record.json"))
  monkeypatch.setattr(_Trainer, "stops_at", None)
  assert crossval.run(config, "fspool2019", tmp_path)
  assert len(train) == 4


def test_a_signal_stops_in_the_middle_of_a_chunk(
  store, config, tmp_path, monkeypatch, capsys
):
  config.grid = "model.head.dropout_rate=0,0.5"
  config.update(num_epochs=4.0, repeats=1)
  config.model.message_passing.num_layers = 1
  whole = crossval.run(config, "fspool2019", tmp_path / "whole")
  real = batches.member_batches

  def stops(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == 3:
        os.kill(os.getpid(), signal.SIGTERM)
      yield item

  with monkeypatch.context() as patch:
    patch.setattr(batches, "member_batches", stops)
    assert crossval.run(config, "fspool2019", tmp_path / "cut") is None
  assert "SIGTERM: saved step 4" in capsys.readouterr().out
  resumed = crossval.run(config, "fspool2019", tmp_path / "cut")
  assert "resuming from the checkpoint of step 4" in capsys.readouterr().out
  assert resumed["repeats"] == whole["repeats"]
  # Scores are all that is kept of the members.
  assert not list(tmp_path.rglob("checkpoints"))


def test_errica2020_trains_the_chosen_again(store, config, train, tmp_path):
  config.repeats = 1
  record = crossval.run(config, "errica2020", tmp_path)
  assert [len(call) for call in train] == [2 * K, 2 * K, 3 * K]
  assert {c["folds"]["validation"] for c in train[2]} == {"holdout"}
  assert len({c["seed"] for c in train[2]}) == 3
  assert record["test"]["count"] == K
  assert record["repeats"][0]["tests"] == pytest.approx(
    [0.62 + 0.001 * k for k in range(K)]
  )
  tests = record["repeats"][0]["tests"]
  assert record["test"]["deviation"] == pytest.approx(np.std(tests))


def test_gin2019_tests_on_what_it_selects_by(store, config, train, tmp_path):
  record = crossval.run(config, "gin2019", tmp_path)
  assert train[0][0]["folds"]["validation"] == "test"
  assert record["protocol"]["selected_on"] == "test"
  assert record["test"]["value"] == pytest.approx(0.9)


def test_other_settings_in_the_same_folder_are_refused(
  store, config, train, tmp_path
):
  crossval.run(config, "fspool2019", tmp_path)
  config.num_epochs = 3.0
  with pytest.raises(ValueError, match=r"num_epochs=2\.0, not 3\.0"):
    crossval.run(config, "fspool2019", tmp_path)


def test_other_splits_in_the_same_folder_are_refused(
  store, config, train, tmp_path
):
  crossval.run(config, "fspool2019", tmp_path)
  file = tmp_path / "splits" / f"T-{K}-seed0.json"
  facts = json.loads(file.read_text())
  facts["fold_of_graph"][0] += 1
  file.write_text(json.dumps(facts))
  with pytest.raises(ValueError, match=r"seed0.json holds the folds of 'tu/T'"):
    crossval.run(config, "fspool2019", tmp_path)
  file.write_text("{")
  with pytest.raises(ValueError, match=r"seed0.json is damaged"):
    crossval.run(config, "fspool2019", tmp_path)


def test_other_data_in_the_same_folder_are_refused(
  store, config, train, tmp_path
):
  crossval.run(config, "fspool2019", tmp_path)
  store.nodes[0] = 6 - store.nodes[0]  # The labels, and so the folds, stay.
  message = (
    r"repeat0-0.json was made with data that differ .*: the nodes, edges or fea"
  )
  with pytest.raises(ValueError, match=message):
    crossval.run(config, "fspool2019", tmp_path)


def test_a_constant_prediction_is_recorded(store, config, train, tmp_path):
  record = crossval.run(config, "fspool2019", tmp_path)
  # 55 of the 83 labels are 1, and stratified folds have their share each.
  share = np.mean(store.labels == 1)
  assert record["test"]["constant_scores"] == {
    "accuracy": pytest.approx(share, abs=0.01)
  }


def test_a_failed_member_is_named(store, config, train, tmp_path, monkeypatch):
  failure = "the loss was not finite at step 3"
  monkeypatch.setattr(_Trainer, "failure", failure)
  with pytest.raises(ValueError, match="fold 0, seed 0, .* not finite at st"):
    crossval.run(config, "fspool2019", tmp_path)


def test_bad_input_is_named(store, config, train, tmp_path):
  with pytest.raises(ValueError, match="'fspool'. Did you mean 'fspool2019'"):
    crossval.run(config, "fspool", tmp_path)
  config.folds.num_folds = 31
  with pytest.raises(ValueError, match="tu/T: class 0 has 28 members, fewer"):
    crossval.run(config, "fspool2019", tmp_path)
  config.grid = "model.width=3"
  with pytest.raises(ValueError, match="no field 'model.width'"):
    crossval.run(config, "fspool2019", tmp_path)


def test_a_real_study_of_a_moment(store, config, tmp_path):
  config.grid = "model.head.dropout_rate=0,0.5"
  config.update(num_epochs=1.0, repeats=1)
  config.model.message_passing.num_layers = 1
  record = crossval.run(config, "fspool2019", tmp_path)
  assert 0 < record["test"]["value"] < 1
  assert record["test"]["deviation"] is None


@pytest.mark.parametrize("call", [2, 4])
def test_a_folder_deleted_under_a_study_is_an_error_and_no_record(
  store, config, train, tmp_path, monkeypatch, call
):
  real = _Trainer.run

  def run(self, *arguments):
    done = real(self, *arguments)
    if len(train) == call:
      shutil.rmtree(tmp_path / "T-sum-fspool2019")
    return done

  monkeypatch.setattr(_Trainer, "run", run)
  with pytest.raises(OSError, match="was deleted while a run was using"):
    crossval.run(config, "fspool2019", tmp_path)
  assert not list(tmp_path.rglob("record.json"))
