"""A run is stopped, fails, saves and resumes."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from gnn_readout.runs import checkpoints
from gnn_readout.training import history, program, trainer
from tests.training import whole_runs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on(
  tmp_path, store, config, capsys, monkeypatch, number
):
  whole = whole_runs.train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    whole_runs.interrupt(patch, 7, number)
    assert whole_runs.train(config, tmp_path / "cut") is None
  said = capsys.readouterr().out.splitlines()[-1]
  assert f"{signal.Signals(number).name}: saved step 8" in said
  assert checkpoints.latest_step(tmp_path / "cut") == 8
  assert not (tmp_path / "cut" / "record.json").exists()
  # A default handler is back in place.
  assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
  resumed = whole_runs.train(config, tmp_path / "cut")
  assert "resuming from the checkpoint of step 8" in capsys.readouterr().out
  assert resumed["curves"] == whole["curves"]
  assert resumed["test"] == whole["test"]
  assert resumed["padding"] == whole["padding"]
  assert whole_runs.steps(tmp_path / "cut", "loss") == [3, 6, 9, 11]


def test_long_curves_resume_exactly(tmp_path, store, config, monkeypatch):
  monkeypatch.setattr(history, "MAX_POINTS", 4)
  config.log_every = 1
  whole = whole_runs.train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    whole_runs.interrupt(patch, 6)
    assert whole_runs.train(config, tmp_path / "cut") is None
  assert whole_runs.train(config, tmp_path / "cut")["curves"] == whole["curves"]
  curve = whole["curves"]["diagnostics"]["grad_norm"]
  assert [step for step, _ in curve] == [1, 5, 9]
  assert len(whole["curves"]["train"]) == 11


def test_what_stops_being_finite_stops_the_run(tmp_path, store, config):
  config.optimizer.learning_rate = 1e38
  config.update(log_every=100, eval_every=5, checkpoint_every=1)
  with pytest.raises(ValueError, match="not finite at step 2"):
    whole_runs.train(config, tmp_path)
  # Step 2 is on no disk: what is there can be resumed.
  assert checkpoints.latest_step(tmp_path) == 1
  assert checkpoints.latest_step(tmp_path, "best") is None


def test_faults_between_logs_are_found_at_the_next_one(tmp_path, store, config):
  config.optimizer.learning_rate = 1e38
  config.update(log_every=4, eval_every=5)
  with pytest.raises(ValueError, match="not finite at step 2"):
    whole_runs.train(config, tmp_path)
  assert whole_runs.steps(tmp_path, "loss") == []


def test_a_full_disk_leaves_a_run_that_goes_on(
  tmp_path, store, config, monkeypatch
):
  config.checkpoint_every = 5
  whole = whole_runs.train(config, tmp_path / "whole")
  real = checkpoints.save

  def save(workdir, name, step, *args):
    if step == 10:
      raise OSError(28, "No space left on device")
    real(workdir, name, step, *args)

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints, "save", save)
    with pytest.raises(OSError, match="No space left"):
      whole_runs.train(config, tmp_path / "cut")
  assert checkpoints.latest_step(tmp_path / "cut") == 5
  assert whole_runs.train(config, tmp_path / "cut")["curves"] == whole["curves"]


def test_no_steps_is_an_evaluation_of_the_first_parameters(
  tmp_path, store, config
):
  config.num_steps = 0
  record = whole_runs.train(config, tmp_path)
  assert record["test"]["step"] == record["best"]["step"] == 0
  assert record["curves"]["train"] == []


def test_paper_mode_resumes_too(tmp_path, store, config, monkeypatch):
  config.batching.update(mode="paper", batch_size=5, max_nodes=23)
  whole = whole_runs.train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    whole_runs.interrupt(patch, 6)
    whole_runs.train(config, tmp_path / "cut")
  assert whole_runs.train(config, tmp_path / "cut")["curves"] == whole["curves"]


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
  whole_runs.train(config, tmp_path)
  # After the first evaluation, and at the end.
  assert [step for name, step in saved if name == "latest"] == [1, 11]


def test_a_signal_between_two_steps_is_no_second_evaluation(
  tmp_path, store, config, monkeypatch
):
  whole = whole_runs.train(config, tmp_path / "whole")
  real = program.Program.advance

  def advance(self, num_steps, stop, show):
    # After the log and the evaluation of this step, before the next one.
    if self.step == at:
      stop.append("SIGTERM")
    real(self, num_steps, stop, show)

  for at in (0, 5, 6):
    with monkeypatch.context() as patch:
      patch.setattr(program.Program, "advance", advance)
      assert whole_runs.train(config, tmp_path / "cut") is None
    assert checkpoints.latest_step(tmp_path / "cut") == at
  resumed = whole_runs.train(config, tmp_path / "cut")
  assert resumed["curves"] == whole["curves"]
  assert whole_runs.steps(tmp_path / "cut", "valid_ap") == [5, 10, 11]


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
