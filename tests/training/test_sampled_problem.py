"""Problems that draw their examples: every step written down, every fault."""

from __future__ import annotations

import json
import os
import signal

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from gnn_readout import tasks
from gnn_readout.runs import checkpoints
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.training import trainer
from gnn_readout.training.program import Program
from gnn_readout.training.step import make_advance, make_init

# A rate that sends the quadratic to infinity within a few steps.
DIVERGING = 1e37


def make_task(config, data_dir=None, cache_dir=None):
  """Draws x [5, 3] ~ N(2, 1); the loss is the mean of (w - x)^2."""

  def sample(key):
    shape = (config["batch_size"], 3)
    return 2 + jax.random.normal(key, shape, jnp.result_type(float))

  def loss(params, key, x):
    noise = 0.1 * jax.random.normal(key, x.shape, x.dtype)
    mean = jnp.mean((params["w"] - x - noise) ** 2)
    return mean, {"size": jnp.abs(params["w"]).max()}

  def init(key):
    return {"w": jax.random.normal(key, (3,), jnp.result_type(float))}

  return SampledProblem(
    "toy",
    config,
    init=init,
    sample=sample,
    loss=loss,
    evaluate=lambda params, x: {
      "mse": jnp.mean((params["w"] - x) ** 2),
      "mean": jnp.mean(x),
    },
    sample_valid=sample,
    sample_test=sample,
    metric="mse",
    lower_is_better=True,
    describe_params=describe,
  )


def describe(params):
  return {"w": np.asarray(params["w"]).round(3).tolist()}


def _config():
  """Eleven steps of four members, scored after 4, 8 and 11 of them."""
  return ml_collections.ConfigDict(
    {
      "task": "toy",
      "seed": 3,
      "population": "seed=3,7 optimizer.learning_rate=0.01,0.1",
      "batch_size": 5,
      "model": {"readout": {"name": "mean"}},
      "optimizer": {"learning_rate": 0.1, "warmup_steps": 0},
      "num_steps": 11,
      "eval_every": 4,
      "num_eval_sets": 13,
      "note": "toy",
    }
  ).lock()


@pytest.fixture(autouse=True)
def toy(monkeypatch):
  monkeypatch.setitem(tasks.TASKS, "toy", make_task)


@pytest.fixture
def config():
  return _config()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The folder and the records of a run that nothing stopped."""
  workdir = tmp_path_factory.mktemp("whole") / "run"
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(tasks.TASKS, "toy", make_task)
    return workdir, trainer.train(_config(), workdir, command="python -m x")


def _alone(config, **fields):
  config = config.copy_and_resolve_references()
  config.population = ""
  config.update_from_flattened_dict(fields)
  return config


def _program(rates, seeds, chunk_size=0):
  configs = [
    ml_collections.ConfigDict(
      {
        "task": "toy",
        "seed": seed,
        "batch_size": 6,
        "chunk_size": chunk_size,
        "optimizer": {"learning_rate": rate},
        "num_steps": 100,
        "num_eval_sets": 7,
      }
    )
    for rate, seed in zip(rates, seeds, strict=True)
  ]
  program = Program([make_task(config) for config in configs])
  program.initialise()
  return program


def _advance(program, steps):
  program.advance(steps)
  return program.arrays()["state"]


def test_a_run_and_its_records(whole):
  workdir, records = whole
  names = [
    f"seed={seed},learning_rate={rate}"
    for seed in (3, 7)
    for rate in (0.01, 0.1)
  ]
  for record, name in zip(records, names, strict=True):
    path = workdir / "members" / name / "record.json"
    assert record == json.loads(path.read_text())
    assert record["name"] == f"run-{name}"
  record = records[1]
  assert (record["kind"], record["problem"]) == ("run", "toy")
  assert record["dataset"] is record["epochs"] is record["padding"] is None
  assert record["lower_is_better"]
  assert record["command"] == "python -m x"
  assert record["config"]["optimizer"]["learning_rate"] == 0.1
  assert record["config"]["population"] == ""
  assert (record["seed"], record["steps"], record["note"]) == (3, 11, "toy")
  assert (record["num_members"], record["num_parameters"]) == (4, 3)
  assert record["failure"] == ""
  curves = record["curves"]
  assert [step for step, _ in curves["train"]] == [4, 8, 11]
  assert [step for step, _ in curves["valid"]] == [4, 8, 11]
  assert set(curves["diagnostics"]) == {"size", "grad_norm"}
  best = min(curves["valid"], key=lambda point: point[1])
  assert record["best"] == {"step": best[0], "valid": best[1]}
  test = record["test"]
  assert (test["metric"], test["step"]) == ("mse", best[0])
  assert test["scores"]["mse"] == test["value"] != best[1]
  # The same examples for all members: only what is learned differs.
  means = {r["test"]["scores"]["mean"] for r in records}
  assert len(means) == 1
  assert len({r["test"]["value"] for r in records}) == 4
  assert len(record["describe"]["w"]) == 3
  folder = workdir / "members" / names[1]
  lines = (folder / "metrics.jsonl").read_text().splitlines()
  lines = [json.loads(line) for line in lines]
  logs = [line for line in lines if "loss" in line]
  scores = [line for line in lines if "valid_mse" in line]
  assert [line["step"] for line in logs] == [4, 8, 11]
  assert [line["step"] for line in scores] == [4, 8, 11]
  assert scores[0]["valid_mse"] == curves["valid"][0][1]
  assert logs[0]["loss"] == curves["train"][0][1]
  assert not (workdir / "programs").exists()


def test_a_complete_run_is_not_repeated(whole, config, capsys):
  workdir, records = whole
  assert trainer.train(config, workdir) == records
  assert "nothing to do" in capsys.readouterr().out
  config.num_steps = 5
  with pytest.raises(ValueError, match="a run with num_steps=11, not 5"):
    trainer.train(config, workdir)


def test_it_is_saved_as_often_as_the_user_says(tmp_path, config, monkeypatch):
  saved, real = [], checkpoints.save

  def save(workdir, name, step, *args):
    if workdir.parent.name == "programs":
      saved.append((name, step))
    real(workdir, name, step, *args)

  monkeypatch.setattr(checkpoints, "save", save)
  with config.unlocked():
    config.checkpoint_every = 3
  trainer.train(config, tmp_path)
  assert saved == [("latest", step) for step in (3, 6, 9, 11)]


def test_without_a_population_there_is_one_record(tmp_path, config):
  (record,) = trainer.train(_alone(config, num_steps=1), tmp_path)
  assert record == json.loads((tmp_path / "record.json").read_text())
  assert record["name"] == tmp_path.name
  assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_steps_are_those_of_adam_on_what_was_drawn():
  """Against float64 numpy, gradients by hand."""
  with jax.enable_x64(True):
    program = _program([0.05], [3])
    start = program.arrays()["state"]
    program.advance(3)
    w, moments = start.params["w"][0], (np.zeros(3), np.zeros(3))
    task = make_task({"batch_size": 6})
    losses = []
    for step in range(3):
      key = jax.random.fold_in(jax.random.wrap_key_data(start.key[0]), step)
      sample_key, loss_key = jax.random.split(key)
      x = task.sample(sample_key)
      x = np.asarray(x + 0.1 * jax.random.normal(loss_key, x.shape, x.dtype))
      losses.append(np.mean((w - x) ** 2))
      gradient = 2 * np.mean(w - x, axis=0) / 3
      moments = (
        0.9 * moments[0] + 0.1 * gradient,
        0.999 * moments[1] + 0.001 * gradient**2,
      )
      m, v = moments[0] / (1 - 0.9 ** (step + 1)), moments[1]
      v = v / (1 - 0.999 ** (step + 1))
      w = w - 0.05 * m / (np.sqrt(v) + 1e-8)
    state = program.arrays()["state"]
    np.testing.assert_allclose(state.params["w"][0], w, rtol=1e-12)
    np.testing.assert_allclose(program.take_sums()["loss"], [sum(losses)])
    np.testing.assert_array_equal(program.take_sums()["loss"], [0])


def test_a_member_is_the_same_run_alone_in_double_precision():
  with jax.enable_x64(True):
    together = _program([0.01, 0.3, 0.1], [5, 2, 11])
    alone = _program([0.3], [2])
    for program in (together, alone):
      program.advance(4)
      program.advance(3)
      program.keep_best(np.ones(len(program.active), bool))
    pairs = zip(
      jax.tree.leaves(together.arrays()),
      jax.tree.leaves(alone.arrays()),
      strict=True,
    )
    for several, one in pairs:
      np.testing.assert_allclose(several[1], one[0], rtol=1e-9)
    for name, value in alone.score(("valid",))[0]["valid"].values.items():
      several = together.score(("valid",))[1]["valid"].values[name]
      np.testing.assert_allclose(several, value, rtol=1e-9)
    others = together.arrays()["state"].params["w"]
    assert np.ptp(others, axis=0).min() > 1e-3


def test_chunks_are_the_whole_batch():
  def loss(params, key, x):
    return jnp.mean((params["w"] - x) ** 2), {}

  with jax.enable_x64(True):
    states = []
    for chunk_size in (0, 2):
      program = _program([0.1], [3], chunk_size)
      problem = program.problems[0]
      problem.loss = loss
      functions = problem.functions()
      assert functions.num_chunks == (3 if chunk_size else 1)
      hyper = {"optimizer.learning_rate": 0.1}
      state = make_init(functions)(hyper, 3, ())
      advance = jax.jit(make_advance(functions))
      states.append(advance(hyper, True, 5, state))
    pairs = zip(*map(jax.tree.leaves, states), strict=True)
    for one, three in pairs:
      np.testing.assert_allclose(three, one, rtol=1e-12)
  scores = [
    _program([0.1], [3], size).score(("valid",))[0]["valid"].values["mse"]
    for size in (0, 2)
  ]
  np.testing.assert_allclose(*scores, rtol=1e-5)
  with pytest.raises(ValueError, match="chunk_size must divide batch_size=6"):
    _program([0.1], [3], chunk_size=4)


def test_members_that_rest_or_fail_do_not_change_nor_hold_up_others():
  program = _program([0.1, DIVERGING, 0.1], [3, 3, 4])
  program.active[2] = False
  before = program.arrays()["state"]
  program.advance(9)
  state = program.arrays()["state"]
  np.testing.assert_array_equal(state.params["w"][2], before.params["w"][2])
  fault = int(state.fault[1, 0])
  assert 1 < fault < 9
  assert state.step.tolist() == [9, fault - 1, 0]
  assert np.isfinite(state.params["w"]).all()
  assert all(np.isfinite(x).all() for x in program.take_sums().values())
  first, second, third = program.faults()
  assert (first, third) == ("", "")
  assert second == f"the loss was not finite at step {fault}"


def test_a_diverging_member_is_given_up_and_said_to_be(
  tmp_path, config, capsys
):
  # Small at first: what it did before it failed still counts.
  config.population = "optimizer.learning_rate=4.7e+19,0.1"
  config.optimizer.warmup_steps = 11
  config.eval_every = 1
  failed, fine = trainer.train(config, tmp_path)
  assert "was not finite, at step" in failed["failure"]
  said = capsys.readouterr().out
  assert f"learning_rate=4.7e+19: {failed['failure']}; stopped" in said
  assert 0 < len(failed["curves"]["valid"]) < 11
  assert failed["best"]["step"] == failed["test"]["step"]
  assert fine["failure"] == ""
  assert len(fine["curves"]["valid"]) == 11


def test_a_run_all_of_whose_members_fail_is_an_error(tmp_path, config):
  config = _alone(config, **{"optimizer.learning_rate": DIVERGING})
  with pytest.raises(ValueError, match=r"not finite at step \d.*may help"):
    trainer.train(config, tmp_path)
  assert not (tmp_path / "record.json").exists()


def test_a_stopped_run_ends_bit_identical(
  tmp_path, whole, config, capsys, monkeypatch
):
  workdir, expected = whole
  real, calls = Program._call, []

  def call(self, active, steps):
    real(self, active, steps)
    calls.append(steps)
    # A call of no steps, one of 1, one of 3: at an evaluation, and after it.
    if len(calls) in (3, 5):
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(Program, "_call", call)
  for step in (4, 5):
    assert trainer.train(config, tmp_path) is None
    assert f"SIGTERM: saved step {step}" in capsys.readouterr().out
  records = trainer.train(config, tmp_path)
  said = capsys.readouterr().out
  assert "resuming from the checkpoint of step 5" in said
  for one, other in zip(expected, records, strict=True):
    for field in ("curves", "best", "test", "config_hash", "describe"):
      assert one[field] == other[field], field
  for path in sorted(workdir.glob("members/*/metrics.jsonl")):
    other = tmp_path / path.relative_to(workdir)
    assert other.read_text() == path.read_text()


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"population": "sed=1,2"}, "Did you mean 'seed'"),
    ({"population": "optimizer.learning_rate=0.1,-0.1"}, "must be positive"),
    ({"task": "to"}, "unknown task 'to'. Did you mean 'toy'"),
    ({"num_steps": 0}, "num_steps must be positive, got 0"),
    ({"seed": -1}, "seed must not be negative"),
  ],
)
def test_a_config_that_cannot_be_trained(tmp_path, config, fields, message):
  config = config.copy_and_resolve_references()
  config.update(fields)
  with pytest.raises(ValueError, match=message):
    trainer.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_members_of_other_lengths_are_other_programs(tmp_path, config, capsys):
  config.population = "num_steps=3,5 seed=0,1"
  records = trainer.train(config, tmp_path)
  said = capsys.readouterr().out
  assert "4 members in 2 programs" in said
  assert "program 2/2  step 5/5" in said
  assert [record["steps"] for record in records] == [3, 3, 5, 5]
  alone = _alone(config, num_steps=5, seed=1)
  (record,) = trainer.train(alone, tmp_path / "alone")
  for field in ("curves", "best", "test", "describe"):
    assert record[field] == records[3][field]
