"""A member of a population is the run it would be alone."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from configs import molpcba, tu
from gnn_readout import data, models
from gnn_readout.data import batches, folds
from gnn_readout.runs import settings
from gnn_readout.training import loop, members, population


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


def split(store, configs):
  return [folds.with_fold(store, c.fold, **c.folds) for c in configs]


def test_a_member_is_the_run_alone(classes, tu_config, tmp_path, monkeypatch):
  monkeypatch.setattr(data, "load", lambda *unused, **options: classes)
  fields = [
    {"seed": 3, "fold": 2, "model.head.dropout_rate": 0.0},
    {"seed": 5, "fold": 0, "optimizer.learning_rate": 0.003},
    {"seed": 3, "fold": 1},
  ]
  with jax.enable_x64(True):
    configs = [members.with_fields(tu_config, f) for f in fields]
    curves = population.train(configs, split(classes, configs))
    for i in (0, 1):
      alone = members.with_fields(tu_config, fields[i])
      record = loop.train(alone, tmp_path / str(i))
      np.testing.assert_allclose(
        curves[i].train, record["curves"]["train"], rtol=1e-9
      )
      assert curves[i].scores["valid"] == record["curves"]["valid"]
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
    curves = population.train(configs, [store] * 2)
    record = loop.train(members.with_fields(config, fields[0]), tmp_path)
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
  _, _, batch = next(batches.train_batches(plan, prefetch=0))

  def loss(values):
    model = models.build_model(
      members.nested(config, values)["model"], store.schema
    )
    key = jax.random.key(0)
    params, state = model.init(key, batch)
    output, _ = model.apply(params, state, key, batch, is_training=True)
    return output.logits.sum() + output.aux_loss.sum()

  values = {name: v[0] for name, v in members.traced([config]).items()}
  assert len(values) == 4 + ("delta" in config.model.readout)
  assert jax.eval_shape(loss, values).shape == ()


def test_a_stopped_population_goes_on_the_same(store, config, tmp_path):
  config.update(num_steps=7, eval_every=3)
  configs = [
    members.with_fields(config, {"seed": s, "optimizer.learning_rate": rate})
    for s, rate in [(0, 0.1), (1, 0.1), (0, 0.02)]
  ]

  def make():
    return population.Program(configs, [store] * 3, keep_best=True)

  whole, first, second = make(), make(), make()
  assert whole.run()
  stop = []
  assert not first.run(
    show=lambda step: stop.append("TERM") if step == 4 else None, stop=stop
  )
  first.save(tmp_path)
  second.restore(tmp_path)
  assert second.step == 4
  assert second.run()
  for a, b in zip(whole.curves, second.curves, strict=True):
    a.seconds = b.seconds = 0.0
    assert a == b
  for m in range(3):
    jax.tree.map(
      np.testing.assert_array_equal, whole.best_state(m), second.best_state(m)
    )


def test_members_may_share_their_batches(store, config):
  rates = [{"optimizer.learning_rate": rate} for rate in (0.1, 0.02)]
  configs = [members.with_fields(config, f) for f in rates]
  shared = population.train(configs, [store] * 2, ("valid",))
  # With a member of another seed, batches are separate.
  configs += [members.with_fields(config, {"seed": 1})]
  separate = population.train(configs, [store] * 3, ("valid",))
  for a, b in zip(shared, separate, strict=False):
    np.testing.assert_allclose(a.train, b.train, rtol=1e-6)
    assert a.real == b.real
  assert separate[2].train != separate[0].train


def test_a_member_that_fails_does_not_stop_the_others(store, config):
  fields = [{"optimizer.learning_rate": rate} for rate in (1e-2, 3e38)]
  configs = [members.with_fields(config, f) for f in fields]
  good, bad = population.train(configs, [store] * 2, ("valid",))
  assert not good.failure
  assert len(good.scores["valid"]) == 3
  assert "at step" in bad.failure
  assert len(bad.scores.get("valid", [])) < 3


def test_patience_stops_a_member_and_only_it(store, config):
  config.update(num_steps=24, eval_every=1, num_epochs=0.0)
  # A rate of almost nothing: the score never changes.
  fields = [{"optimizer.learning_rate": rate} for rate in (1e-30, 0.3)]
  configs = [members.with_fields(config, f) for f in fields]
  still, moving = population.train(configs, [store] * 2, ("valid",), patience=4)
  assert [step for step, _ in still.scores["valid"]] == [1, 2, 3, 4, 5]
  assert still.real[0] == 5 * config.batching.batch_size
  assert len(moving.scores["valid"]) > 5


def test_shapes_decide_the_programs(classes, tu_config):
  tu_config.population = "model.message_passing.width=5,7 fold=0,1,4 seed=0,1"
  configs = members.expand(tu_config)
  groups = population.programs(configs, split(classes, configs))
  # 83 graphs in 5 folds: trainings sets of 49 and 50 have 4 batches of 13.
  assert [len(group) for group in groups] == [6, 6]


def test_what_a_fold_measures_does_not_decide_the_program(classes, tu_config):
  with tu_config.unlocked():
    tu_config.model.readout = {"name": "pna", "aux_weight": 0.0, "delta": None}
  tu_config.num_epochs = 1.0
  tu_config.population = "fold=0,2"
  configs = members.expand(tu_config)
  stores = split(classes, configs)
  assert population.programs(configs, stores) == [[0, 1]]
  deltas = [config.model.readout.delta for config in configs]
  assert deltas[0] != deltas[1]
  # The second, trained with the first's delta, would be another.
  with jax.enable_x64(True):
    both = population.train(configs, stores)
    (alone,) = population.train(configs[1:], stores[1:])
  np.testing.assert_allclose(both[1].train, alone.train, rtol=1e-9)


def test_batches_of_changing_numbers_are_refused(store, config):
  config.batching.update(mode="paper", max_nodes=64)
  with pytest.raises(ValueError, match="need batching.mode 'bucketed'"):
    population.train([config], [store])


def test_epoch_steps_are_the_configs_own(tu_config):
  assert settings.epoch_steps(tu_config, 7) == 7
  assert settings.epoch_steps(tu.get_config("T,sum,gin0"), 7) == 50
