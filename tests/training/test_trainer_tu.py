"""A run on a dataset of the TU collection, from the zip to the record."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from configs import tu
from gnn_readout import data
from gnn_readout.training import evaluation, trainer

GRAPHS = 67


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  """Rings of 3 to 7 nodes whose class is the label of most of them."""
  rng = np.random.default_rng(0)
  sizes, labels = rng.integers(3, 8, GRAPHS), np.arange(GRAPHS) % 2
  edges, nodes, first = [], [], 1
  for size, label in zip(sizes, labels):
    ring = np.stack([np.arange(size), (np.arange(size) + 1) % size], 1) + first
    edges += [*ring, *ring[:, ::-1]]
    own = np.full(size, label)
    own[0] = 1 - label
    nodes += own.tolist()
    first += size
  texts = {
    "A": "".join(f"{u}, {v}\n" for u, v in edges),
    "graph_indicator": "".join(f"{i + 1}\n" * n for i, n in enumerate(sizes)),
    "graph_labels": "".join(f"{2 * label - 1}\n" for label in labels),
    "node_labels": "".join(f"{label}\n" for label in nodes),
  }
  folder = tmp_path_factory.mktemp("data")
  (folder / "tu").mkdir()
  with zipfile.ZipFile(folder / "tu/RINGS.zip", "w") as archive:
    for name, text in texts.items():
      archive.writestr(f"RINGS/RINGS_{name}.txt", text)
  return folder


def small(variant="RINGS,sum", **fields):
  config = tu.get_config(variant)
  config.model.message_passing.update(width=5, num_layers=1)
  config.batching.update(batch_size=7, num_buckets=1)
  config.update(num_epochs=10.0, log_every=3, fold=2, **fields)
  config.folds.num_folds = 5
  return config


def test_a_run_its_record_and_its_evaluation(data_dir, tmp_path):
  workdir = tmp_path / "run"
  # One evaluation, at the end: the first perfect score comes too early.
  config = small(eval_every=60)
  (record,) = trainer.train(config, workdir, data_dir, tmp_path / "cache")
  assert record["dataset"]["name"] == "tu/RINGS"
  facts = record["dataset"]
  sizes = [facts[f"num_{name}"] for name in ("train", "valid", "test")]
  assert sum(sizes) == GRAPHS and 13 <= min(sizes[1:]) <= max(sizes[1:]) <= 14
  assert record["test"]["metric"] == "accuracy"
  assert record["best"]["valid"] > 0.9
  assert record["test"]["value"] > 0.9
  assert record["config"]["fold"] == 2
  result = evaluation.evaluate_checkpoint(
    workdir, "test", "best", data_dir, tmp_path / "cache"
  )
  assert result.value == record["test"]["value"]
  assert result.metric == "accuracy"


def test_folds_share_one_conversion(data_dir, tmp_path):
  tests = []
  for fold in range(5):
    config = small()
    config.fold = fold
    store = data.load_config(config, data_dir, tmp_path)
    tests.append(store.splits["test"])
    assert store.schema.node_sizes == (2,)
  assert len(list(tmp_path.iterdir())) == 1
  together = np.sort(np.concatenate(tests))
  np.testing.assert_array_equal(together, np.arange(GRAPHS))


def test_the_options_of_the_dataset_reach_its_reader(data_dir, tmp_path):
  config = small()
  config.tu.features = "constant"
  store = data.load_config(config, data_dir, tmp_path)
  assert store.schema.node_sizes == (1,)
  config.tu.update(features="", remove_duplicates=True)
  store = data.load_config(config, data_dir, tmp_path)
  assert store.num_graphs == 10  # Of 3 to 7 nodes, of two classes.
