"""Datasets as problems: scaled targets, scores of constants, what is told."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from configs import tu
from gnn_readout import data, models, tasks
from gnn_readout.data import folds
from gnn_readout.tasks import GraphProperty
from gnn_readout.training import evaluation, members, trainer
from gnn_readout.training.program import Program


def as_regression(store, labels):
  schema = dataclasses.replace(
    store.schema, task_type="regression", metric="rmse"
  )
  return dataclasses.replace(
    store, schema=schema, labels=labels.astype(np.float32)
  )


@pytest.fixture
def numbers(store):
  """[83, 3] labels, some missing, and the last column constant."""
  rng = np.random.default_rng(1)
  values = rng.normal(size=store.labels.shape).round(3)
  values[:, 2] = 0.5
  return np.where(np.isnan(store.labels), np.nan, values)


def train(store, config, workdir, monkeypatch):
  monkeypatch.setattr(data, "load_config", lambda *unused: store)
  (record,) = trainer.train(config.copy_and_resolve_references(), workdir)
  return record, evaluation.evaluate_checkpoint(workdir, "test")


def test_units_of_the_targets_do_not_matter(
  store, numbers, config, tmp_path, monkeypatch
):
  """50 y + 1000 is learned as y is, and predicted in its own units."""
  runs = [
    train(as_regression(store, y), config, tmp_path / name, monkeypatch)
    for name, y in {"y": numbers, "z": 50 * numbers + 1000}.items()
  ]
  (one, ones), (other, others) = runs
  np.testing.assert_allclose(
    other["curves"]["train"], one["curves"]["train"], rtol=1e-3
  )
  np.testing.assert_allclose(
    others.predictions.logits[:, :2],
    50 * ones.predictions.logits[:, :2] + 1000,
    rtol=1e-5,
  )
  # A constant target is not stretched: both are learned as they are.
  np.testing.assert_allclose(
    others.predictions.logits[:, 2] - 1025,
    ones.predictions.logits[:, 2] - 0.5,
    atol=1e-3,
  )
  for record, result in runs:
    assert record["test"]["scores"] == result.scores.values
    errors = result.predictions.logits.astype(np.float64)
    errors -= result.predictions.labels
    rmse = np.sqrt(np.nanmean(errors**2, axis=0)).mean()
    mae = np.nanmean(np.abs(errors), axis=0).mean()
    assert result.scores.values == pytest.approx({"rmse": rmse, "mae": mae})
    per_task = np.sqrt(np.nanmean(errors**2, axis=0))
    assert record["test"]["per_task"] == {
      "rmse": pytest.approx(dict(zip("abc", per_task)))
    }


def test_the_loss_is_that_of_the_scaled_targets(store, numbers, config):
  problem = GraphProperty(config, as_regression(store, numbers))
  functions, batch = problem.functions(), problem.example()
  hyper = {"optimizer.learning_rate": 0.1, **problem.hyper_arrays()}
  key = jax.random.key(0)
  params, state = functions.init(hyper, key, batch)
  _, (after, scalars) = functions.loss(hyper, params, state, key, batch)
  own = {name: x for name, x in state.items() if name != "targets"}
  model = models.build_model(config.model, problem.schema)
  output, _ = model.apply(params, own, key, batch, is_training=True)
  mean, std = problem.targets
  z = (batch.globals["labels"][0] - mean) / std
  errors = np.asarray(output.logits)[0] - z
  expected = np.mean(errors[~np.isnan(z)] ** 2)
  assert float(scalars["loss"]) == pytest.approx(expected, rel=1e-5)
  output, _ = model.apply(params, own, None, batch, is_training=False)
  np.testing.assert_allclose(
    functions.predict(hyper, params, state, batch)[0],
    mean + std * output.logits[0],
    rtol=1e-5,
  )
  for name in ("mean", "std"):
    np.testing.assert_array_equal(
      after["targets"][name], state["targets"][name]
    )


def test_every_member_has_the_scale_of_its_own_training_set(
  store, numbers, config
):
  whole = dataclasses.replace(as_regression(store, numbers), splits={})
  problems = [
    GraphProperty(
      members.with_fields(config, {"seed": fold}),
      folds.with_fold(whole, fold, num_folds=5),
    )
    for fold in range(3)
  ]
  program = Program(problems)
  program.initialise()
  for of in ("state", "best"):
    found = program.arrays()[of].model_state["targets"]
    for m, problem in enumerate(problems):
      labels = numbers[problem.store.splits["train"]]
      for name, function in {"mean": np.nanmean, "std": np.nanstd}.items():
        np.testing.assert_allclose(
          found[name][m][:2], function(labels, axis=0)[:2], rtol=1e-5
        )
      assert found["std"][m][2] == 1


def test_classes_are_not_scaled(store, config):
  problem = GraphProperty(config, store)
  assert problem.targets is None and not problem.hyper_arrays()


def test_every_score_stands_beside_that_of_a_constant(
  store, config, tmp_path, monkeypatch, capsys
):
  record, result = train(store, config, tmp_path, monkeypatch)
  test = record["test"]
  labels = store.labels[store.splits["test"]]
  shares = [np.nanmean(column) for column in labels.T]
  constants = {"ap": pytest.approx(np.mean(shares)), "rocauc": 0.5}
  assert test["constant_scores"] == constants
  assert result.summary()["constant_scores"] == test["constant_scores"]
  oracles = {
    "ap": sklearn_metrics.average_precision_score,
    "rocauc": sklearn_metrics.roc_auc_score,
  }
  scores = {}
  for name, oracle in oracles.items():
    columns = zip(result.predictions.labels.T, result.predictions.logits.T)
    known = [(y[~np.isnan(y)], x[~np.isnan(y)]) for y, x in columns]
    scores[name] = np.mean([oracle(y, x) for y, x in known])
  assert test["scores"] == pytest.approx(scores)
  said = capsys.readouterr().out.splitlines()[-1]
  share = f"{np.mean(shares):.5g}"
  assert f"test ap {test['value']:.5g} (constant {share}), rocauc " in said
  assert "(constant 0.5), over 3 tasks, at step" in str(result)


def test_what_is_understood_is_printed_and_recorded(
  store, config, tmp_path, capsys
):
  (record,) = trainer.train(config, tmp_path)
  said = capsys.readouterr().out
  told = record["dataset"]["description"]
  assert record["dataset"]["task_names"] == ["a", "b", "c"]
  assert told[0].startswith("task 'a': binary, ")
  assert told[3] == "split: by folds; train 53, valid 17, test 13"
  for line in told:
    assert f"         {line}\n" in said


def test_edge_features_that_a_network_ignores_are_told(store, config):
  assert not GraphProperty(config, store)._notes()
  passing = {"name": "gin_blocks", "width": 7, "num_layers": 2}
  with config.unlocked():
    config.model.message_passing = passing
  assert GraphProperty(config, store)._notes() == [
    "gin_blocks does not use edge features; those of the dataset are ignored"
  ]


def of_csv(config, path, **options):
  config = config.copy_and_resolve_references()
  config.dataset = str(path)
  config.csv.update(options)
  return config


def test_05_one_class_in_valid(cases, config, tmp_path):
  pytest.importorskip("rdkit")
  path = cases / "05-one-class-in-valid/a.csv"
  message = "split 'valid' of dataset 'a.csv': no task qualifies for 'ap': of 1"
  with pytest.raises(ValueError, match=message):
    tasks.make_problem(of_csv(config, path), cache_dir=tmp_path)


def test_32_a_molecule_larger_than_the_batch(cases, config, tmp_path):
  pytest.importorskip("rdkit")
  path = cases / "32-molecule-larger-than-batch/a.csv"
  config.batching.update(mode="paper", max_nodes=30)
  with pytest.raises(ValueError, match="graph 10 has 60 nodes, more than max"):
    tasks.make_problem(of_csv(config, path), cache_dir=tmp_path)


def test_44_fewer_than_a_batch(quick_model, cases, config, tmp_path, capsys):
  pytest.importorskip("rdkit")
  path = cases / "44-fewer-than-a-batch/a.csv"
  config.batching.batch_size = 32
  (record,) = trainer.train(
    of_csv(config, path), tmp_path / "run", cache_dir=tmp_path / "cache"
  )
  said = capsys.readouterr().out
  assert "all 10 training graphs form one batch, fewer than" in said
  assert (record["epochs"], record["steps"]) == (11, 11)
  assert record["test"]["scores"].keys() == {"rmse", "mae"}
  # One molecule to test on: the constant's two errors are one number.
  rows = path.read_text().splitlines()[1:]
  labels = np.array([float(row.split(",")[1]) for row in rows])
  store = data.load(str(path), cache_dir=tmp_path / "cache")
  train_mean = labels[store.splits["train"]].mean()
  error = abs(labels[store.splits["test"]][0] - train_mean)
  assert record["test"]["constant_scores"] == pytest.approx(
    {"rmse": error, "mae": error}
  )


def of_tu(name, **fields):
  config = tu.get_config(f"{name},sum")
  config.model.message_passing.update(width=3, num_layers=1)
  config.batching.update(batch_size=7, num_buckets=1)
  config.folds.num_folds = 5
  config.update(num_epochs=0.0, num_steps=2, eval_every=2, **fields)
  return config


def test_24_several_regression_targets(quick_model, cases, tmp_path, capsys):
  folder = cases / "24-tu-regression"
  config = of_tu("MULTIREG")
  (record,) = trainer.train(config, tmp_path / "run", folder, tmp_path / "c")
  per_task = record["test"]["per_task"]["mae"]
  assert list(per_task) == ["attribute_0", "attribute_1", "attribute_2"]
  assert record["test"]["value"] == pytest.approx(np.mean([*per_task.values()]))
  problem = tasks.make_problem(of_tu("BOTH"), folder, tmp_path / "c")
  said = "\n".join(problem.describe())
  assert "learned: BOTH_graph_attributes.txt; there are labels too" in said


@pytest.mark.parametrize(
  ("folder", "name"),
  [("23-tu-no-edges", "NOEDGES"), ("27-tu-empty-graphs", "EMPTYFIRST")],
)
def test_23_27_graphs_without_edges_or_nodes_train(
  cases, tmp_path, folder, name
):
  """With a real network: a gradient that is not finite would end the run."""
  (record,) = trainer.train(
    of_tu(name, log_every=1), tmp_path / "run", cases / folder, tmp_path / "c"
  )
  losses = [loss for _, loss in record["curves"]["train"]]
  assert len(losses) == 2 and np.isfinite(losses).all()
  assert 0 <= record["test"]["value"] <= 1


def test_09_single_atoms_train_one_by_one(cases, config, tmp_path):
  pytest.importorskip("rdkit")
  config = of_csv(config, cases / "09-single-atoms/a.csv")
  config.model.message_passing.update(width=3, num_layers=1)
  config.batching.batch_size = 1
  config.update(num_steps=2, eval_every=2, log_every=1)
  (record,) = trainer.train(config, tmp_path / "run", cache_dir=tmp_path / "c")
  assert np.isfinite([loss for _, loss in record["curves"]["train"]]).all()
  assert 0 <= record["test"]["value"] <= 1
