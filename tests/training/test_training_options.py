"""Every option of training: exact resume, populations, several devices."""

from __future__ import annotations

import json
import os
import signal

import jax
import numpy as np
import pytest

from gnn_readout import data
from gnn_readout.config_fields import with_fields
from gnn_readout.data import batches
from gnn_readout.options import OPTIONS
from gnn_readout.runs import checkpoints
from gnn_readout.training import evaluation, step, trainer
from gnn_readout.training.program import Program, group_by_program
from tests.training import spread_runs

PLATEAU = {
  "optimizer.schedule": "plateau",
  "optimizer.plateau_patience": 0,
  "optimizer.plateau_factor": 0.5,
  "eval_every": 2,
}
CASES = {
  "weight_decay": {"optimizer.weight_decay": 0.1},
  "clip_norm": {"optimizer.clip_norm": 0.01},
  "accumulate_steps": {"optimizer.accumulate_steps": 3},
  "ema_decay": {"optimizer.ema_decay": 0.9},
  "plateau": PLATEAU,
  "cosine": {"optimizer.schedule": "cosine", "optimizer.warmup_steps": 5},
  "patience": {"patience": 2, "eval_every": 1},
  "class_weights": {"class_weights": "balanced"},
  "task_weights": {"class_weights": (1.0, 3.0), "task_weights": (1.0, 0.0, 2)},
  "metric": {"metric": "f1", "metrics": ("mcc", "accuracy")},
  "precision": {"model.precision": "bfloat16"},
}
CASES["all"] = {
  name: value
  for case in (*CASES.values(), PLATEAU)
  for name, value in case.items()
  if name not in ("patience", "model.precision")
}
# They do not change what a run learns, but what is kept of it.
SAME_LOSSES = ("ema_decay", "metric", "patience")


def _stopped_at(monkeypatch, number):
  """Sends this process a signal when it asks for the batch of a step."""
  real = batches.train_batches

  def train_batches(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == number:
        os.kill(os.getpid(), signal.SIGTERM)
      yield item

  monkeypatch.setattr(batches, "train_batches", train_batches)


def _sums(workdir):
  """The checksums of the arrays of both checkpoints."""
  return [
    checkpoints.read_meta(workdir, name)["checksum"]
    for name in ("latest", "best")
  ]


@pytest.fixture
def tiny(request, monkeypatch):
  """The tiny dataset; a model that compiles at once unless a test needs one."""
  if request.node.callspec.params["case"] != "precision":
    request.getfixturevalue("quick_model")
  store = request.getfixturevalue("make_store")()
  monkeypatch.setattr(data, "load_config", lambda *unused: store)


@pytest.fixture(scope="module")
def losses():
  """The curves of the training loss without options, by model."""
  return {}


def test_every_option_has_a_case():
  fields = {name for case in CASES.values() for name in case}
  assert fields >= OPTIONS.keys()


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_stopped_ends_the_same(
  tmp_path, tiny, config, monkeypatch, losses, case
):
  config.model.message_passing.num_layers = 1
  plain = with_fields(config, {"num_steps": 12})
  config = with_fields(plain, CASES[case])
  (whole,) = trainer.train(config, tmp_path / "whole")
  with monkeypatch.context() as patch:
    _stopped_at(patch, 4)  # In the middle of 3 steps that are one update.
    assert trainer.train(config, tmp_path / "cut") is None
  assert checkpoints.latest_step(tmp_path / "cut") == 5
  (cut,) = trainer.train(config, tmp_path / "cut")
  for name in ("curves", "best", "test", "padding", "config_hash"):
    assert cut[name] == whole[name], name
  assert _sums(tmp_path / "cut") == _sums(tmp_path / "whole")
  if case not in SAME_LOSSES:
    model = "real" if case == "precision" else "quick"
    if model not in losses:
      (record,) = trainer.train(plain, tmp_path / "plain")
      losses[model] = record["curves"]["train"]
    # The option is not ignored.
    assert whole["curves"]["train"] != losses[model]


def test_patience_ends_a_run_and_its_members_alike(
  tmp_path, store, config, capsys
):
  fields = {"patience": 2, "eval_every": 1, "num_steps": 40}
  fields["optimizer.learning_rate"] = 0.1  # Too large: scores go up and down.
  (record,) = trainer.train(with_fields(config, fields), tmp_path / "alone")
  curve, best = record["curves"]["valid"], record["best"]
  last = curve[-1][0]
  # The first of scores that tie is the best, and each begins patience anew.
  ties = [step for step, score in curve if score == best["valid"]]
  assert best["step"] == ties[0]
  assert best["valid"] == max(score for _, score in curve)
  assert last == ties[-1] + 2 == record["stopped_at"] < 40
  said = capsys.readouterr().out
  assert f"score in 2 evaluations; stopped at step {last}\n" in said
  # It is complete: the same command has nothing to do.
  assert trainer.train(with_fields(config, fields), tmp_path / "alone") == [
    record
  ]
  fields["population"] = "seed=0,1"
  members = trainer.train(with_fields(config, fields), tmp_path / "both")
  assert members[0]["best"]["step"] == record["best"]["step"]
  assert members[0]["curves"]["valid"][-1][0] == last


def test_the_metric_selects_and_the_others_are_recorded(
  tmp_path, store, config
):
  fields = {"metric": "rocauc", "metrics": ("f1", "mcc"), "eval_every": 2}
  (record,) = trainer.train(with_fields(config, fields), tmp_path)
  test = record["test"]
  assert test["metric"] == "rocauc"
  assert test["scores"].keys() == {"ap", "rocauc", "f1", "mcc"}
  assert test["scores"].keys() == test["constant_scores"].keys()
  assert test["per_task"].keys() == {"rocauc"}
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  curve = [
    [line["step"], line["valid_rocauc"]]
    for line in map(json.loads, lines)
    if "valid_f1" in line
  ]
  assert curve == record["curves"]["valid"]
  best = max(curve, key=lambda point: point[1])
  assert record["best"] == {"step": best[0], "valid": best[1]}
  found = evaluation.evaluate_checkpoint(tmp_path, "test", metric="accuracy")
  assert found.metric == "accuracy" and 0 <= found.value <= 1
  assert found.scores.values["rocauc"] == test["value"]
  with pytest.raises(ValueError, match="tiny cannot be scored by 'rmse'"):
    evaluation.evaluate_checkpoint(tmp_path, "test", metric="rmse")


def test_the_average_is_scored_and_kept_and_both_are_saved(
  tmp_path, store, config
):
  fields = {"optimizer.ema_decay": 0.5, "num_steps": 4, "eval_every": 1}
  config = with_fields(config, {**fields, "optimizer.learning_rate": 0.1})
  trainer.train(config, tmp_path)
  program = Program([trainer.tasks.make_problem(config)])
  program.initialise()
  saved = checkpoints.restore(
    tmp_path, "latest", program.shapes_of_arrays(), store.schema
  ).state
  state = saved["state"]
  expected, total = 0.0, 0.0
  for _ in range(4):
    program.advance(1)
    expected = 0.5 * expected + program.arrays()["state"].params["w"]
    total = 0.5 * total + 1
  program.close()
  np.testing.assert_array_equal(
    state.params["w"], program.arrays()["state"].params["w"]
  )
  average = step.best_of(state).params["w"]
  np.testing.assert_allclose(average, expected / total, rtol=1e-5)
  assert not np.allclose(average, state.params["w"])
  # What 'latest' is scored by is the average.
  found = evaluation.evaluate_checkpoint(tmp_path, "valid", "latest")
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  scores = [x["valid_ap"] for x in map(json.loads, lines) if "valid_ap" in x]
  assert found.value == scores[-1]


def test_going_on_from_the_best_begins_with_its_average(
  tmp_path, store, config, capsys
):
  fields = {"optimizer.ema_decay": 0.9, "optimizer.accumulate_steps": 3}
  config = with_fields(config, fields)
  trainer.train(config, tmp_path)
  (file,) = (tmp_path / "checkpoints/latest").glob("*/state/_METADATA")
  file.write_text("{}")
  best = checkpoints.latest_step(tmp_path, "best")
  longer = with_fields(config, {"num_steps": 12})
  (tmp_path / "record.json").unlink()
  (record,) = trainer.train(longer, tmp_path, from_best=True)
  assert record["restarts"] == [best]
  assert "resuming from the best checkpoint" in capsys.readouterr().out


def test_members_of_every_option_are_the_runs_alone(tmp_path, store, config):
  population = (
    "seed=0,1 optimizer.learning_rate=0.1,0.01 optimizer.weight_decay=0,0.1"
  )
  fields = {**CASES["all"], "patience": 3, "num_steps": 12}
  with jax.enable_x64(True):
    together = with_fields(config, {**fields, "population": population})
    records = trainer.train(together, tmp_path / "all")
    chosen = {
      "seed": 1, "optimizer.learning_rate": 0.1, "optimizer.weight_decay": 0.1
    }  # fmt: skip
    (alone,) = trainer.train(
      with_fields(config, {**fields, **chosen}), tmp_path / "alone"
    )
  assert [record["num_members"] for record in records] == [8] * 8
  for name in ("train", "valid"):
    curves = records[5]["curves"][name], alone["curves"][name]
    np.testing.assert_allclose(*curves, rtol=1e-9)
  assert records[5]["config"] == alone["config"]
  values = {tuple(map(tuple, r["curves"]["train"])) for r in records}
  assert len(values) == 8


@pytest.mark.parametrize("num_devices", [2])
def test_options_on_two_devices_are_those_on_one(num_devices):
  fields = {
    "optimizer.clip_norm": 0.01,
    "optimizer.accumulate_steps": 2,
    "optimizer.ema_decay": 0.9,
    "optimizer.weight_decay": 0.01,
    "class_weights": "balanced",
  }
  found = []
  with jax.enable_x64(True):
    for devices in (1, num_devices):
      config = spread_runs.make_config("demo", "gcn,mean", num_devices=devices)
      program = Program([spread_runs.problem_of(with_fields(config, fields))])
      assert program.mesh.shape["data"] == devices
      program.initialise()
      program.advance(5)  # In the middle of the third update.
      program.close()
      norm = program.take_sums()["grad_norm"][0] / 5
      assert norm > 2 * fields["optimizer.clip_norm"]  # All are clipped.
      arrays = program.arrays()["state"]
      found.append((arrays.params, step.best_of(arrays).params))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-10), *found
  )


def test_members_that_differ_in_weight_decay_are_one_program(store, config):
  config = with_fields(config, {"optimizer.weight_decay": 0.1})
  other = with_fields(config, {"optimizer.weight_decay": 0.2})
  clipped = with_fields(config, {"optimizer.clip_norm": 0.2})
  problems = [trainer.tasks.make_problem(c) for c in (config, other, clipped)]
  assert group_by_program(problems) == [[0, 1], [2]]
