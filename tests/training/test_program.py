"""A member of a population is the run it would be alone."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile

import jax
import numpy as np
import pytest

from configs import molpcba, tu
from gnn_readout import data, models
from gnn_readout.data import batches, folds
from gnn_readout.fields import nested
from gnn_readout.runs.progress import ProgressLine
from gnn_readout.tasks import GraphProperty
from gnn_readout.training import loop, members, program, snapshots, trainer


@pytest.fixture
def classes(make_store):
  """The tiny dataset with three classes, and no splits of its own."""
  store = make_store(node_sizes=(7,))
  schema = dataclasses.replace(
    store.schema,
    task_type="multiclass",
    num_tasks=1,
    num_classes=3,
    metric="accuracy",
    task_names=("class",),
  )
  labels = np.resize([0, 2, 1, 1, 0, 2, 2], store.num_graphs)
  return dataclasses.replace(
    store, schema=schema, labels=labels[:, None].astype(np.float32), splits={}
  )


@pytest.fixture
def tu_config():
  config = tu.get_config("T,sum")
  config.model.message_passing.update(width=5, num_layers=2)
  config.batching.update(batch_size=13, num_buckets=1)
  config.folds.num_folds = 5
  config.update(num_epochs=2.0, eval_every=1, log_every=1, eval_batch_size=11)
  return config


def problems(store, configs):
  """Those of members, each on its own fold where there are folds."""
  return [
    GraphProperty(
      c, folds.with_fold(store, c.fold, **c.folds) if "folds" in c else store
    )
    for c in configs
  ]


def train(store, configs, splits=("valid", "test"), patience=0):
  """Returns a trainer for every program, at its end, and all histories."""
  found = problems(store, configs)
  histories = [None] * len(found)
  with tempfile.TemporaryDirectory() as folder:
    for n, group in enumerate(program.group_by_program(found)):
      made = loop.Trainer(
        [snapshots.Member(str(i), found[i], None, patience) for i in group],
        pathlib.Path(folder, str(n)),
        splits,
      )
      assert made.run([], ProgressLine(1), lambda step: None)
      for i, history in zip(group, made.histories, strict=True):
        histories[i] = history
  return histories


def test_a_member_is_the_run_alone(classes, tu_config, tmp_path, monkeypatch):
  monkeypatch.setattr(data, "load", lambda *unused, **options: classes)
  fields = [
    {"seed": 3, "fold": 2, "model.head.dropout_rate": 0.0},
    {"seed": 5, "fold": 0, "optimizer.learning_rate": 0.003},
    {"seed": 3, "fold": 1},
  ]
  with jax.enable_x64(True):
    configs = [members.with_fields(tu_config, f) for f in fields]
    curves = train(classes, configs)
    for i in (0, 1):
      alone = members.with_fields(tu_config, fields[i])
      (record,) = trainer.train(alone, tmp_path / str(i))
      np.testing.assert_allclose(
        curves[i].train, record["curves"]["train"], rtol=1e-9
      )
      assert curves[i].valid == record["curves"]["valid"]
      assert curves[i].best == record["best"]
      tests = dict(curves[i].scores["test"])
      assert tests[record["best"]["step"]] == record["test"]["value"]
  assert curves[0].train != curves[2].train


def test_a_member_of_molecules_is_the_run_alone(
  make_store, tmp_path, monkeypatch
):
  store = make_store()
  monkeypatch.setattr(data, "load", lambda *unused: store)
  config = molpcba.get_config("gcn,pna")
  config.model.message_passing.update(width=5, num_layers=2)
  config.batching.update(batch_size=13, num_buckets=1)
  config.update(
    num_steps=3, num_epochs=0.0, eval_every=1, log_every=1, tensorboard=False
  )
  fields = [{"seed": 1, "model.message_passing.dropout": r} for r in (0.5, 0.2)]
  with jax.enable_x64(True):
    configs = [members.with_fields(config, f) for f in fields]
    curves = train(store, configs)
    (record,) = trainer.train(members.with_fields(config, fields[0]), tmp_path)
  for ours, alone in [
    (curves[0].train, record["curves"]["train"]),
    (curves[0].scores["valid"], record["curves"]["valid"]),
  ]:
    np.testing.assert_allclose(ours, alone, rtol=1e-9)
  assert curves[0].train != curves[1].train


@pytest.mark.parametrize("variant", ["gin,equilibrium", "equilibrium,pna"])
def test_traced_fields_can_be_traced(make_store, variant):
  store = make_store()
  config = molpcba.get_config(f"{variant}")
  config.model.message_passing.update(width=5, num_layers=1)
  with config.unlocked():
    config.model.head = {"name": "mlp", "dropout_rate": 0.5}
  models.complete_config(config.model, store.num_nodes, lambda: store.num_nodes)
  plan = batches.make_plan(store, "train", **config.batching)
  batch = next(batches.train_batches(plan, prefetch=0)).batch

  def loss(values):
    model = models.build_model(
      nested(config.to_dict(), values)["model"], store.schema
    )
    key = jax.random.key(0)
    params, state = model.init(key, batch)
    output, _ = model.apply(params, state, key, batch, is_training=True)
    return output.logits.sum() + output.aux_loss.sum()

  values = {name: v[0] for name, v in members.traced([config]).items()}
  assert len(values) == 4 + ("delta" in config.model.readout)
  assert jax.eval_shape(loss, values).shape == ()


def test_members_may_share_their_batches(store, config):
  rates = [{"optimizer.learning_rate": rate} for rate in (0.1, 0.02)]
  configs = [members.with_fields(config, f) for f in rates]
  shared = train(store, configs, ("valid",))
  # With a member of another seed, batches are separate.
  configs += [members.with_fields(config, {"seed": 1})]
  separate = train(store, configs, ("valid",))
  for a, b in zip(shared, separate, strict=False):
    np.testing.assert_allclose(a.train, b.train, rtol=1e-6)
  assert separate[2].train != separate[0].train


def test_a_member_that_fails_does_not_stop_the_others(store, config):
  fields = [{"optimizer.learning_rate": rate} for rate in (1e-2, 3e38)]
  configs = [members.with_fields(config, f) for f in fields]
  good, bad = train(store, configs, ("valid",))
  assert not good.failure
  assert len(good.scores["valid"]) == 3
  assert "at step" in bad.failure
  assert len(bad.scores.get("valid", [])) < 3


def test_patience_stops_a_member_and_only_it(store, config):
  config.update(num_steps=24, eval_every=1, num_epochs=0.0)
  # A rate of almost nothing: the score never changes, and is never worse.
  fields = [{"optimizer.learning_rate": rate} for rate in (1e-30, 0.1, 0.3)]
  configs = [members.with_fields(config, f) for f in fields]
  (sign,) = {p.sign for p in problems(store, configs)}
  found = train(store, configs, ("valid",), patience=2)
  lengths = []
  for history in found:
    scores = [sign * value for _, value in history.scores["valid"]]
    stops = [
      e for e in range(3, 25)
      if max(scores[:e][-2:]) < max(scores[:e])
    ]  # fmt: skip
    assert len(scores) == min([*stops, 24])
    lengths.append(len(scores))
  assert lengths[0] == 24 and min(lengths) < 24


def test_shapes_decide_the_programs(classes, tu_config):
  tu_config.population = "model.message_passing.width=5,7 fold=0,1,4 seed=0,1"
  configs = members.expand(tu_config)
  groups = program.group_by_program(problems(classes, configs))
  # 83 graphs in 5 folds: trainings sets of 49 and 50 have 4 batches of 13.
  assert [len(group) for group in groups] == [6, 6]


def test_what_a_fold_measures_does_not_decide_the_program(classes, tu_config):
  with tu_config.unlocked():
    tu_config.model.readout = {"name": "pna", "aux_weight": 0.0, "delta": None}
  tu_config.num_epochs = 1.0
  tu_config.population = "fold=0,2"
  configs = members.expand(tu_config)
  assert program.group_by_program(problems(classes, configs)) == [[0, 1]]
  deltas = [config.model.readout.delta for config in configs]
  assert deltas[0] != deltas[1]
  # The second, trained with the first's delta, would be another.
  with jax.enable_x64(True):
    both = train(classes, configs)
    (alone,) = train(classes, configs[1:])
  np.testing.assert_allclose(both[1].train, alone.train, rtol=1e-9)


def test_batches_of_changing_numbers_suit_members_that_share_them(
  store, config
):
  config.batching.update(mode="paper", max_nodes=64)
  rates = [{"optimizer.learning_rate": rate} for rate in (0.1, 0.02)]
  configs = [members.with_fields(config, f) for f in rates]
  both, (alone,) = train(store, configs), train(store, configs[1:])
  np.testing.assert_allclose(both[1].train, alone.train, rtol=1e-6)
  seeds = [members.with_fields(config, {"seed": seed}) for seed in (0, 1)]
  found = problems(store, seeds)
  with pytest.raises(ValueError, match="needs batching.mode='bucketed'"):
    next(found[0].stream(found, 0))


def test_steps_of_an_epoch_are_the_configs_own_or_one_pass(classes, tu_config):
  (problem,) = problems(classes, [tu_config])
  assert (problem.epoch_steps, problem.num_steps) == (4, 8)
  tu_config.epoch_steps = 50
  (problem,) = problems(classes, [tu_config])
  assert (problem.epoch_steps, problem.num_steps) == (50, 100)


def test_a_step_takes_over_the_memory_of_the_state(make_store):
  # Otherwise twice the parameters and moments would have to fit.
  config = molpcba.get_config("gcn,sum")
  config.model.message_passing.update(width=5, num_layers=1)
  config.batching.update(batch_size=3, num_buckets=1)
  alone = program.Program([GraphProperty(config, make_store())])
  alone.initialise()
  before = jax.tree.leaves((alone._state.params, alone._state.opt_state))
  alone.advance(1)
  alone.close()
  assert all(x.is_deleted() for x in before)
