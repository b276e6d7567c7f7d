"""From a config to the records of its runs."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.runs import signals
from gnn_readout.tasks import scoring
from gnn_readout.training import evaluation, trainer
from tests.training import whole_runs

RECORD_FIELDS = {
  "kind",
  "schema_version",
  "name",
  "command",
  "problem",
  "config",
  "config_hash",
  "seed",
  "git_commit",
  "git_dirty",
  "versions",
  "hardware",
  "dataset",
  "num_parameters",
  "steps",
  "epochs",
  "curves",
  "best",
  "test",
  "lower_is_better",
  "failure",
  "wall_seconds",
  "steps_per_second",
  "graphs_per_second",
  "num_members",
  "num_devices",
  "num_hosts",
  "num_processes",
  "padding",
  "num_compiled_shapes",
  "describe",
  "note",
  "finished_at",
}


def test_a_run_and_its_record(tmp_path, store, config):
  config.note = "short"
  record = whole_runs.train(config, tmp_path / "run", command="python -m x")
  assert set(record) == RECORD_FIELDS
  assert record == json.loads((tmp_path / "run" / "record.json").read_text())
  assert record["name"] == "run"
  assert record["command"] == "python -m x"
  assert record["note"] == "short"
  assert record["steps"] == 11
  assert record["epochs"] == 11 / 10  # 53 graphs are 10 batches of 5.
  assert [step for step, _ in record["curves"]["train"]] == [3, 6, 9, 11]
  assert [step for step, _ in record["curves"]["valid"]] == [5, 10, 11]
  diagnostics = record["curves"]["diagnostics"]
  assert set(diagnostics) == {"aux", "grad_norm", "largest"}
  assert record["padding"]["graphs"] == pytest.approx(1 / 6)
  for name, curve in diagnostics.items():
    logged = whole_runs.values(tmp_path / "run", name)
    assert curve == [[step, pytest.approx(x, rel=1e-5)] for step, x in logged]
    assert [step for step, _ in curve] == [3, 6, 9, 11]
  assert all(value > 0 for _, value in diagnostics["grad_norm"])
  best = max(record["curves"]["valid"], key=lambda point: point[1])
  assert record["best"] == {"step": best[0], "valid": best[1]}
  assert record["test"]["step"] == best[0]
  assert record["test"]["metric"] == "ap"
  assert record["num_compiled_shapes"] == 1
  assert record["dataset"]["num_train"] == 53
  assert set(record["padding"]) == {"graphs", "nodes", "edges"}
  assert record["padding"]["graphs"] == pytest.approx(1 / 6)
  assert record["config"]["model"]["message_passing"]["width"] == 7
  assert set(record["hardware"]) == {
    "platform",
    "device",
    "cpu_count",
    "memory_gb",
  }
  assert whole_runs.steps(tmp_path / "run", "loss") == [3, 6, 9, 11]
  assert whole_runs.steps(tmp_path / "run", "valid_ap") == [5, 10, 11]


def test_the_test_value_is_that_of_the_best_checkpoint(tmp_path, store, config):
  record = whole_runs.train(config, tmp_path)
  result = evaluation.evaluate_checkpoint(tmp_path, "test", "best")
  test = record["test"]
  assert test["scores"].keys() == {"ap", "rocauc"}
  assert test["scores"]["ap"] == test["value"]
  assert result.summary() == {"dataset": "tiny", "split": "test", **test}
  index, logits, labels, *_ = result.predictions
  np.testing.assert_array_equal(index, np.sort(store.splits["test"]))
  assert logits.shape == labels.shape == (13, 3)
  latest = evaluation.evaluate_checkpoint(tmp_path, "valid", "latest")
  assert latest.step == 11
  assert latest.value == record["curves"]["valid"][-1][1]


def test_predictions_do_not_depend_on_the_batch_size(tmp_path, store, config):
  whole_runs.train(config, tmp_path)
  results = []
  for batch_size in (1, 5, 64):
    text = (tmp_path / "config.json").read_text()
    changed = {**json.loads(text), "eval_batch_size": batch_size}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    result = evaluation.evaluate_checkpoint(tmp_path, "test")
    results.append(result.predictions.logits)
  np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(results[2], results[0], rtol=1e-4, atol=1e-6)


def test_a_second_signal_is_not_caught():
  # A job in the background of a shell would ignore it.
  signal.signal(signal.SIGINT, signal.default_int_handler)
  with signals.stop_signals() as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop == ["SIGINT"]
    with pytest.raises(KeyboardInterrupt):
      os.kill(os.getpid(), signal.SIGINT)


def test_a_complete_run_is_not_trained_again(
  tmp_path, store, config, capsys, monkeypatch
):
  record = whole_runs.train(config, tmp_path)
  monkeypatch.setattr(trainer, "Trainer", lambda *unused: pytest.fail("made"))
  config.log_every = 1  # Shows more, changes nothing.
  assert whole_runs.train(config, tmp_path) == record
  assert "complete: there is nothing to do" in capsys.readouterr().out

  def missing(*unused):
    raise FileNotFoundError("a.csv: no such file")

  monkeypatch.setattr(data, "load_config", missing)
  assert whole_runs.train(config, tmp_path) == record
  assert "is missing and cannot be compared: a.csv" in capsys.readouterr().out


def test_a_workdir_of_another_config_is_refused(tmp_path, store, config):
  whole_runs.train(config, tmp_path)
  before = (tmp_path / "record.json").read_text()
  config.seed = 3
  config.optimizer.learning_rate = 0.5
  message = (
    "holds a run with optimizer.learning_rate=0.001, not 0.5; seed=0, not 3"
  )
  with pytest.raises(ValueError, match=message):
    whole_runs.train(config, tmp_path)
  assert (tmp_path / "record.json").read_text() == before


def test_a_checkpoint_of_other_feature_tables_is_refused(
  tmp_path, store, make_store, config, monkeypatch
):
  with monkeypatch.context() as patch:
    whole_runs.interrupt(patch, 7)
    whole_runs.train(config, tmp_path)
  other = make_store(node_sizes=(7, 6))
  monkeypatch.setattr(data, "load_config", lambda *unused: other)
  message = r"12 rows in all there, 13 here \(column 1 has 5 rows there and 6"
  with pytest.raises(ValueError, match=message):
    whole_runs.train(config, tmp_path)
  with pytest.raises(ValueError, match=message):
    evaluation.evaluate_checkpoint(tmp_path, "test", "latest")


def test_epochs_override_steps(tmp_path, store, config):
  config.update(num_epochs=0.5, eval_every=0)
  record = whole_runs.train(config, tmp_path)
  assert record["steps"] == 5
  assert [step for step, _ in record["curves"]["valid"]] == [5]


def test_what_the_readout_measures_is_in_config_and_record(
  tmp_path, store, config
):
  with config.unlocked():
    config.model.readout = {"name": "pna", "aux_weight": 0.0, "delta": None}
  config.num_steps = 1
  record = whole_runs.train(config, tmp_path)
  sizes = store.num_nodes[store.splits["train"]]
  expected = pytest.approx(np.log(sizes + 1).mean())
  assert record["config"]["model"]["readout"]["delta"] == expected
  assert config.model.readout.delta is None  # The caller's own is untouched.
  # The same config again is the same run.
  assert whole_runs.train(config, tmp_path) == record


def test_what_the_aggregator_measures_is_in_config_and_record(
  tmp_path, store, config
):
  aggregator = {"name": "pna", "delta": None}
  with config.unlocked():
    config.model.message_passing.update(name="aggregate", aggregator=aggregator)
  config.num_steps = 1
  record = whole_runs.train(config, tmp_path)
  degrees = []
  for graph in store.splits["train"]:
    edges = slice(*store.edge_offsets[graph : graph + 2])
    nodes = np.arange(store.num_nodes[graph])
    degrees.append((store.receivers[edges] == nodes[:, None]).sum(axis=1))
  expected = pytest.approx(np.log(np.concatenate(degrees) + 1).mean())
  passing = record["config"]["model"]["message_passing"]
  assert passing["aggregator"]["delta"] == expected
  assert whole_runs.train(config, tmp_path) == record


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_that_cannot_be_scored_is_found_at_once(
  tmp_path, store, config, split
):
  labels = store.labels.copy()
  store.labels[store.splits[split]] = 0
  with pytest.raises(
    ValueError, match=f"split '{split}' of dataset 'tiny': no"
  ):
    whole_runs.train(config, tmp_path)
  store.labels[:] = labels
  store.splits[split] = store.splits[split][:0]
  with pytest.raises(ValueError, match=f"split '{split}' .*is empty"):
    whole_runs.train(config, tmp_path)
  assert not (tmp_path / "config.json").exists()


def test_a_training_set_without_labels(tmp_path, store, config):
  store.labels[store.splits["train"]] = np.nan
  with pytest.raises(ValueError, match="split 'train' .* has no label"):
    whole_runs.train(config, tmp_path)


def test_an_unwritable_workdir(tmp_path, config):
  (tmp_path / "file").touch()
  with pytest.raises(OSError, match=r"cannot write to .*/file/run: Not a dir"):
    whole_runs.train(config, tmp_path / "file" / "run")


def test_predictions_that_are_not_finite_are_refused(store):
  labels = store.labels[store.splits["valid"]]
  logits = np.zeros_like(labels)
  logits[3, 1] = np.inf
  constants = scoring.constant_scores(store, "valid", ("ap",))
  with pytest.raises(ValueError, match="1 of 17 graphs of split 'valid'"):
    scoring.score(store, "valid", logits, constants)


def test_a_changed_dataset_is_not_that_of_the_run(
  tmp_path, store, config, monkeypatch
):
  with monkeypatch.context() as patch:
    whole_runs.interrupt(patch, 7)
    assert whole_runs.train(config, tmp_path) is None
  before = store.labels.copy()

  def change():
    store.labels[3, 1] = 1 - np.nan_to_num(store.labels[3, 1])

  def assert_refused(action, *arguments):
    with pytest.raises(
      ValueError, match="data that differ .*: some labels diff"
    ):
      action(*arguments)

  change()
  assert_refused(whole_runs.train, config, tmp_path)
  store.labels[:] = before
  record = whole_runs.train(config, tmp_path)
  assert whole_runs.train(config, tmp_path) == record
  change()
  assert_refused(whole_runs.train, config, tmp_path)
  assert_refused(evaluation.evaluate_checkpoint, tmp_path, "test")
