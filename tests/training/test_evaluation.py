"""A run is evaluated on its own data, wherever they are."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from gnn_readout.runs import settings
from gnn_readout.training import compare, evaluation, trainer

pytest.importorskip("rdkit")

pytestmark = pytest.mark.usefixtures("quick_model")


@pytest.fixture
def train(config, tmp_path):
  """Returns a function that trains on a file, in WORKDIR."""

  def train(dataset, workdir, **options):
    mine = config.copy_and_resolve_references()
    mine.dataset = str(dataset)
    mine.csv.update(options)
    (record,) = trainer.train(mine, workdir, cache_dir=tmp_path / "cache")
    return record

  return train


@pytest.fixture
def evaluate(tmp_path):
  def evaluate(workdir, split="test", **options):
    return evaluation.evaluate_checkpoint(
      workdir, split, cache_dir=tmp_path / "cache", **options
    )

  return evaluate


def test_17_a_file_that_changes_under_a_run(cases, tmp_path, train, evaluate):
  file, workdir = tmp_path / "data.csv", tmp_path / "run"
  for name in ("v1", "v2"):
    shutil.copy(cases / f"17-csv-changes-under-a-run/{name}.csv", tmp_path)
  shutil.copy(tmp_path / "v1.csv", file)
  record = train(file, workdir)
  shutil.copy(tmp_path / "v2.csv", file)
  message = (
    "data that differ from those of 'data.csv' now: some labels differ;"
    " train, valid or test hold different graphs; fingerprint: "
  )
  for action in (lambda: train(file, workdir), lambda: evaluate(workdir)):
    with pytest.raises(ValueError, match=message):
      action()
  (workdir / "record.json").rename(tmp_path / "kept.json")  # As if stopped.
  with pytest.raises(ValueError, match=f"checkpoint in .*run was .*{message}"):
    train(file, workdir)
  train(file, tmp_path / "other")
  compare_with = evaluate(tmp_path / "other")
  shutil.copy(tmp_path / "v1.csv", file)
  assert train(file, workdir)["test"] == record["test"]
  assert evaluate(workdir).value == record["test"]["value"]
  with pytest.raises(ValueError, match="cannot compare: split 'test' of data"):
    compare.compare_evaluations(evaluate(workdir), compare_with)


def test_30_a_relative_path_from_elsewhere(
  cases, tmp_path, train, evaluate, monkeypatch
):
  home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
  for folder in (home, elsewhere):
    folder.mkdir()
  shutil.copy(cases / "30-relative-dataset/a.csv", home)
  monkeypatch.chdir(home)
  record = train("a.csv", "run")
  assert str(tmp_path) not in json.dumps(record)
  assert record["config"]["dataset"] == "a.csv"
  monkeypatch.chdir(elsewhere)
  workdir = os.path.join("..", "home", "run")
  assert evaluate(workdir).value == record["test"]["value"]
  # The same run, by whichever path.
  assert train(home / "a.csv", workdir) == record
  (home / "a.csv").rename(elsewhere / "b.csv")
  with pytest.raises(
    FileNotFoundError, match="a.csv: no such file; give its new place"
  ):
    evaluate(workdir)
  moved = evaluate(workdir, dataset="b.csv")
  assert moved.value == record["test"]["value"]
  text = (elsewhere / "b.csv").read_text()
  (elsewhere / "b.csv").write_text(text.replace("\nCCCC,0", "\nCCCO,0"))
  with pytest.raises(ValueError, match="nodes, edges or features .* --dataset"):
    evaluate(workdir, dataset="b.csv")


def test_a_path_makes_no_other_config():
  configs = [{"dataset": x, "seed": 0} for x in ("a.csv", "/d/a.csv", "b.csv")]
  hashes = [settings.config_hash(config) for config in configs]
  assert hashes[0] == hashes[1] != hashes[2]
  assert not settings.differences(configs[0], configs[1])
  # Where nothing is a path, nothing is one.
  other = {"dataset": "tu/MUTAG", "seed": 0}
  assert settings.located(other) == settings.without_folder(other) == other


def test_46_skipped_rows_are_counted_in_predictions(
  cases, tmp_path, train, evaluate
):
  path = cases / "46-invalid-smiles/a.csv"
  train(path, tmp_path / "run", on_invalid="skip")
  lines = path.read_text().splitlines()
  for split in ("train", "valid", "test"):
    found = evaluate(tmp_path / "run", split)
    found.write_predictions(tmp_path / "p.npz")
    written = np.load(tmp_path / "p.npz")
    assert len(written["row"])
    for row, smiles, (label,) in zip(
      written["row"], written["smiles"], written["labels"]
    ):
      assert lines[row] == f"{smiles},{label:.0f}"


def test_other_training_data_are_not_compared(cases, tmp_path, train, evaluate):
  """The graphs that are predicted are the same; what was learned is not."""
  path = tmp_path / "a.csv"
  lines = (cases / "17-csv-changes-under-a-run/v1.csv").read_text().splitlines()
  found = []
  for k in range(2):
    path.write_text("\n".join(lines) + "\n")
    train(path, tmp_path / f"run{k}")
    found.append(evaluate(tmp_path / f"run{k}"))
    row = next(i for i, line in enumerate(lines) if line.endswith("0,train"))
    lines[row] = lines[row].replace("0,train", "1,train")
  with pytest.raises(
    ValueError, match="the data of A and B differ: some labels differ; fing"
  ):
    compare.compare_evaluations(*found)
