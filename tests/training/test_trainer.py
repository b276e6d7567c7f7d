"""Whole runs, in this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.data import batches
from gnn_readout.runs import checkpoints, signals
from gnn_readout.tasks import scoring
from gnn_readout.training import evaluation, history, program, trainer

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


def _train(config, workdir, **more):
  """Returns the record of a lone run, or None if a signal stopped it."""
  found = trainer.train(config, workdir, **more)
  return found and found[0]


def _interrupt(monkeypatch, step, number=signal.SIGTERM):
  """Sends this process a signal when it asks for the batch of a step."""
  real = batches.train_batches

  def train_batches(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == step:
        os.kill(os.getpid(), number)
      yield item

  monkeypatch.setattr(batches, "train_batches", train_batches)


def _steps(workdir, key):
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  return [line["step"] for line in map(json.loads, lines) if key in line]


def _values(workdir, key):
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  lines = [line for line in map(json.loads, lines) if key in line]
  return [(line["step"], line[key]) for line in lines]


def test_a_run_and_its_record(tmp_path, store, config):
  config.note = "short"
  record = _train(config, tmp_path / "run", command="python -m x")
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
    logged = _values(tmp_path / "run", name)
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
  assert _steps(tmp_path / "run", "loss") == [3, 6, 9, 11]
  assert _steps(tmp_path / "run", "valid_ap") == [5, 10, 11]


def test_the_test_value_is_that_of_the_best_checkpoint(tmp_path, store, config):
  record = _train(config, tmp_path)
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
  _train(config, tmp_path)
  results = []
  for batch_size in (1, 5, 64):
    text = (tmp_path / "config.json").read_text()
    changed = {**json.loads(text), "eval_batch_size": batch_size}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    result = evaluation.evaluate_checkpoint(tmp_path, "test")
    results.append(result.predictions.logits)
  np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(results[2], results[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on(
  tmp_path, store, config, capsys, monkeypatch, number
):
  whole = _train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    _interrupt(patch, 7, number)
    assert _train(config, tmp_path / "cut") is None
  said = capsys.readouterr().out.splitlines()[-1]
  assert f"{signal.Signals(number).name}: saved step 8" in said
  assert checkpoints.latest_step(tmp_path / "cut") == 8
  assert not (tmp_path / "cut" / "record.json").exists()
  # A default handler is back in place.
  assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
  resumed = _train(config, tmp_path / "cut")
  assert "resuming from the checkpoint of step 8" in capsys.readouterr().out
  assert resumed["curves"] == whole["curves"]
  assert resumed["test"] == whole["test"]
  assert resumed["padding"] == whole["padding"]
  assert _steps(tmp_path / "cut", "loss") == [3, 6, 9, 11]


def test_long_curves_resume_exactly(tmp_path, store, config, monkeypatch):
  monkeypatch.setattr(history, "MAX_POINTS", 4)
  config.log_every = 1
  whole = _train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    _interrupt(patch, 6)
    assert _train(config, tmp_path / "cut") is None
  assert _train(config, tmp_path / "cut")["curves"] == whole["curves"]
  curve = whole["curves"]["diagnostics"]["grad_norm"]
  assert [step for step, _ in curve] == [1, 5, 9]
  assert len(whole["curves"]["train"]) == 11


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
  record = _train(config, tmp_path)
  monkeypatch.setattr(trainer, "Trainer", lambda *unused: pytest.fail("made"))
  config.log_every = 1  # Shows more, changes nothing.
  assert _train(config, tmp_path) == record
  assert "complete: there is nothing to do" in capsys.readouterr().out

  def missing(*unused):
    raise FileNotFoundError("a.csv: no such file")

  monkeypatch.setattr(data, "load_config", missing)
  assert _train(config, tmp_path) == record
  assert "is missing and cannot be compared: a.csv" in capsys.readouterr().out


def test_a_workdir_of_another_config_is_refused(tmp_path, store, config):
  _train(config, tmp_path)
  before = (tmp_path / "record.json").read_text()
  config.seed = 3
  config.optimizer.learning_rate = 0.5
  message = (
    "holds a run with optimizer.learning_rate=0.001, not 0.5; seed=0, not 3"
  )
  with pytest.raises(ValueError, match=message):
    _train(config, tmp_path)
  assert (tmp_path / "record.json").read_text() == before


def test_what_stops_being_finite_stops_the_run(tmp_path, store, config):
  config.optimizer.learning_rate = 1e38
  config.update(log_every=100, eval_every=5, checkpoint_every=1)
  with pytest.raises(ValueError, match="not finite at step 2"):
    _train(config, tmp_path)
  # Step 2 is on no disk: what is there can be resumed.
  assert checkpoints.latest_step(tmp_path) == 1
  assert checkpoints.latest_step(tmp_path, "best") is None


def test_faults_between_logs_are_found_at_the_next_one(tmp_path, store, config):
  config.optimizer.learning_rate = 1e38
  config.update(log_every=4, eval_every=5)
  with pytest.raises(ValueError, match="not finite at step 2"):
    _train(config, tmp_path)
  assert _steps(tmp_path, "loss") == []


def test_a_full_disk_leaves_a_run_that_goes_on(
  tmp_path, store, config, monkeypatch
):
  config.checkpoint_every = 5
  whole = _train(config, tmp_path / "whole")
  real = checkpoints.save

  def save(workdir, name, step, *args):
    if step == 10:
      raise OSError(28, "No space left on device")
    real(workdir, name, step, *args)

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints, "save", save)
    with pytest.raises(OSError, match="No space left"):
      _train(config, tmp_path / "cut")
  assert checkpoints.latest_step(tmp_path / "cut") == 5
  assert _train(config, tmp_path / "cut")["curves"] == whole["curves"]


def test_a_checkpoint_of_other_feature_tables_is_refused(
  tmp_path, store, make_store, config, monkeypatch
):
  with monkeypatch.context() as patch:
    _interrupt(patch, 7)
    _train(config, tmp_path)
  other = make_store(node_sizes=(7, 6))
  monkeypatch.setattr(data, "load_config", lambda *unused: other)
  message = r"12 rows in all there, 13 here \(column 1 has 5 rows there and 6"
  with pytest.raises(ValueError, match=message):
    _train(config, tmp_path)
  with pytest.raises(ValueError, match=message):
    evaluation.evaluate_checkpoint(tmp_path, "test", "latest")


def test_no_steps_is_an_evaluation_of_the_first_parameters(
  tmp_path, store, config
):
  config.num_steps = 0
  record = _train(config, tmp_path)
  assert record["test"]["step"] == record["best"]["step"] == 0
  assert record["curves"]["train"] == []


def test_epochs_override_steps(tmp_path, store, config):
  config.update(num_epochs=0.5, eval_every=0)
  record = _train(config, tmp_path)
  assert record["steps"] == 5
  assert [step for step, _ in record["curves"]["valid"]] == [5]


def test_what_the_readout_measures_is_in_config_and_record(
  tmp_path, store, config
):
  with config.unlocked():
    config.model.readout = {"name": "pna", "aux_weight": 0.0, "delta": None}
  config.num_steps = 1
  record = _train(config, tmp_path)
  sizes = store.num_nodes[store.splits["train"]]
  expected = pytest.approx(np.log(sizes + 1).mean())
  assert record["config"]["model"]["readout"]["delta"] == expected
  assert config.model.readout.delta is None  # The caller's own is untouched.
  # The same config again is the same run.
  assert _train(config, tmp_path) == record


def test_what_the_aggregator_measures_is_in_config_and_record(
  tmp_path, store, config
):
  aggregator = {"name": "pna", "delta": None}
  with config.unlocked():
    config.model.message_passing.update(name="aggregate", aggregator=aggregator)
  config.num_steps = 1
  record = _train(config, tmp_path)
  degrees = []
  for graph in store.splits["train"]:
    edges = slice(*store.edge_offsets[graph : graph + 2])
    nodes = np.arange(store.num_nodes[graph])
    degrees.append((store.receivers[edges] == nodes[:, None]).sum(axis=1))
  expected = pytest.approx(np.log(np.concatenate(degrees) + 1).mean())
  passing = record["config"]["model"]["message_passing"]
  assert passing["aggregator"]["delta"] == expected
  assert _train(config, tmp_path) == record


def test_paper_mode_resumes_too(tmp_path, store, config, monkeypatch):
  config.batching.update(mode="paper", batch_size=5, max_nodes=23)
  whole = _train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    _interrupt(patch, 6)
    _train(config, tmp_path / "cut")
  assert _train(config, tmp_path / "cut")["curves"] == whole["curves"]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_that_cannot_be_scored_is_found_at_once(
  tmp_path, store, config, split
):
  labels = store.labels.copy()
  store.labels[store.splits[split]] = 0
  with pytest.raises(
    ValueError, match=f"split '{split}' of dataset 'tiny': no"
  ):
    _train(config, tmp_path)
  store.labels[:] = labels
  store.splits[split] = store.splits[split][:0]
  with pytest.raises(ValueError, match=f"split '{split}' .*is empty"):
    _train(config, tmp_path)
  assert not (tmp_path / "config.json").exists()


def test_a_training_set_without_labels(tmp_path, store, config):
  store.labels[store.splits["train"]] = np.nan
  with pytest.raises(ValueError, match="split 'train' .* has no label"):
    _train(config, tmp_path)


def test_an_unwritable_workdir(tmp_path, config):
  (tmp_path / "file").touch()
  with pytest.raises(OSError, match=r"cannot write to .*/file/run: Not a dir"):
    _train(config, tmp_path / "file" / "run")


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
    _interrupt(patch, 7)
    assert _train(config, tmp_path) is None
  before = store.labels.copy()

  def change():
    store.labels[3, 1] = 1 - np.nan_to_num(store.labels[3, 1])

  def assert_refused(action, *arguments):
    with pytest.raises(
      ValueError, match="data that differ .*: some labels diff"
    ):
      action(*arguments)

  change()
  assert_refused(_train, config, tmp_path)
  store.labels[:] = before
  record = _train(config, tmp_path)
  assert _train(config, tmp_path) == record
  change()
  assert_refused(_train, config, tmp_path)
  assert_refused(evaluation.evaluate_checkpoint, tmp_path, "test")


def test_saving_takes_a_small_share_of_the_time(
  tmp_path, store, config, monkeypatch
):
  now, saved = [0.0], []
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  real = checkpoints.save

  def save(workdir, name, step, *args):
    now[0] += 10  # Seconds; the run itself takes none.
    saved.append((name, step))
    real(workdir, name, step, *args)

  monkeypatch.setattr(checkpoints, "save", save)
  config.update(eval_every=1, log_every=100)
  _train(config, tmp_path)
  # After the first evaluation, and at the end.
  assert [step for name, step in saved if name == "latest"] == [1, 11]


def test_a_signal_between_two_steps_is_no_second_evaluation(
  tmp_path, store, config, monkeypatch
):
  whole = _train(config, tmp_path / "whole")
  real = program.Program.advance

  def advance(self, num_steps, stop, show):
    # After the log and the evaluation of this step, before the next one.
    if self.step == at:
      stop.append("SIGTERM")
    real(self, num_steps, stop, show)

  for at in (0, 5, 6):
    with monkeypatch.context() as patch:
      patch.setattr(program.Program, "advance", advance)
      assert _train(config, tmp_path / "cut") is None
    assert checkpoints.latest_step(tmp_path / "cut") == at
  resumed = _train(config, tmp_path / "cut")
  assert resumed["curves"] == whole["curves"]
  assert _steps(tmp_path / "cut", "valid_ap") == [5, 10, 11]


@pytest.mark.parametrize("population", ["", "seed=0,1"])
@pytest.mark.parametrize("step", [2, 10])
def test_a_workdir_deleted_under_the_run_is_an_error_and_no_record(
  tmp_path, store, config, monkeypatch, population, step
):
  config.population = population
  real = program.Program.advance
  workdir = tmp_path / "run"

  def advance(self, *args, **kwargs):
    if self.step >= step and workdir.exists():
      shutil.rmtree(workdir)
    return real(self, *args, **kwargs)

  monkeypatch.setattr(program.Program, "advance", advance)
  with pytest.raises(OSError, match="was deleted while a run was using"):
    trainer.train(config, workdir)
  assert not list(tmp_path.rglob("record.json"))


def test_a_workdir_deleted_after_the_last_step(
  tmp_path, store, config, monkeypatch
):
  real = program.Program.score
  workdir = tmp_path / "run"

  def score(self, splits, **kwargs):
    if splits == ("test",):
      shutil.rmtree(workdir)
    return real(self, splits, **kwargs)

  monkeypatch.setattr(program.Program, "score", score)
  with pytest.raises(OSError, match="was deleted while a run was using"):
    trainer.train(config, workdir)
  assert not list(tmp_path.rglob("record.json"))
