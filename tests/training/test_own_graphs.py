"""Runs on graphs of one's own: every kind of label, folder and function."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from configs import graphs as graphs_config
from gnn_readout import data
from gnn_readout.training import crossval, evaluation, trainer
from tests.data.own import graphs
from tests.launch import in_process

NAN = float("nan")
GRAPHS = graphs.draw(41)
RNG = np.random.default_rng(1)
GAPS = np.where(RNG.random((41, 3)) < 0.2, NAN, RNG.integers(0, 2, (41, 3)))
LABELS = {
  "binary": ([i % 2 == 0 for i in range(41)], "ap"),
  "several binary tasks with gaps": (GAPS, "ap"),
  "classes": ([("a", "b", "c")[i % 3] for i in range(41)], "accuracy"),
  "numbers with gaps": ([NAN] + [i / 7 for i in range(40)], "rmse"),
}
SPLIT = ["train"] * 21 + ["valid"] * 10 + ["test"] * 10


def write(path, labels=LABELS["classes"][0], **options):
  arguments = {**graphs.arrays(GRAPHS), "labels": labels}
  options = {"split": SPLIT, "undirected": True, **options}
  data.from_arrays(path, **arguments, **options)
  return str(path)


def small(dataset):
  config = graphs_config.get_config("gin,sum")
  config.model.message_passing.update(width=5, num_layers=1)
  config.batching.update(batch_size=7, num_buckets=1)
  config.update(dataset=dataset, num_steps=4, num_epochs=0.0, eval_every=2)
  config.folds.num_folds = 3
  return config


@pytest.mark.parametrize("kind", [kind for kind in LABELS if kind != "binary"])
def test_a_run_and_its_evaluation(kind, quick_model, tmp_path):
  labels, metric = LABELS[kind]
  config = small(write(tmp_path / "mine", labels))
  (record,) = trainer.train(config, tmp_path / "run")
  assert record["dataset"]["name"] == "mine"
  assert record["config"]["dataset"] == "mine"
  assert record["test"]["metric"] == metric
  result = evaluation.evaluate_checkpoint(tmp_path / "run", "test")
  assert result.value == record["test"]["value"]
  np.testing.assert_array_equal(result.predictions.index, np.arange(31, 41))


def test_a_run_whose_graphs_have_changed_is_not_gone_on_with(
  quick_model, tmp_path
):
  config = small(write(tmp_path / "mine"))
  trainer.train(config, tmp_path / "run")
  write(tmp_path / "mine", LABELS["classes"][0][::-1])
  with pytest.raises(ValueError, match="some labels differ"):
    evaluation.evaluate_checkpoint(tmp_path / "run", "test")
  (tmp_path / "mine").rename(tmp_path / "moved")
  with pytest.raises(FileNotFoundError, match="give its new place by --dat"):
    evaluation.evaluate_checkpoint(tmp_path / "run", "test")
  write(tmp_path / "moved")
  moved = str(tmp_path / "moved")
  result = evaluation.evaluate_checkpoint(
    tmp_path / "run", "test", dataset=moved
  )
  assert result.metric == "accuracy"


def test_folds_of_a_dataset_without_a_split(quick_model, tmp_path):
  labels = LABELS["binary"][0]
  config = small(write(tmp_path / "mine", labels, split="none"))
  config.update(grid="optimizer.learning_rate=0.01", repeats=1)
  record = crossval.run(config, "gin2019", tmp_path / "study")
  assert record["name"] == "mine-sum-gin2019"
  assert record["test"]["count"] == 3
  for fold in range(3):
    config.fold = fold
    store = data.load_config(config)
    of_fold = store.labels[store.splits["test"], 0]
    assert abs(of_fold.mean() - np.mean(labels)) < 0.05  # Stratified.


def test_cross_validation_without_folds_is_told_where_to_start(tmp_path):
  config = small(write(tmp_path / "mine", split="none"))
  with config.unlocked():
    del config.folds
  with pytest.raises(ValueError, match="needs the field 'folds'.*graphs.py"):
    crossval.run(config, "gin2019", tmp_path / "study")


def test_a_sweep_takes_a_folder(tmp_path):
  write(tmp_path / "mine")
  (tmp_path / "mine.py").write_text(
    "from configs.graphs import get_config\n"
    "def rates():\n"
    "  for rate in (0.1, 0.2):\n"
    "    yield {'variant': 'gin,sum', 'optimizer.learning_rate': rate}\n"
  )
  done = in_process.run(
    "sweep",
    "--sweep=mine.py:rates",
    "--workdir=sweep",
    "--set=dataset=mine",
    "--notogether",
    "--print_commands",
    folder=tmp_path,
  )
  assert done.returncode == 0, done.stderr
  commands = [shlex.split(line) for line in done.stdout.splitlines()]
  assert len(commands) == 2
  for command in commands:
    assert any(word.startswith("--config.dataset=") for word in command)
