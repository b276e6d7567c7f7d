"""The binary that scores a checkpoint."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

# On one worker, which trains the run once.
pytestmark = pytest.mark.xdist_group("launch")


def test_the_value_is_that_of_the_record(launcher, whole):
  done = launcher.here(
    "evaluate", "--workdir=whole", "--json", "--predictions=predictions.npz"
  )
  assert done.returncode == 0, done.stderr
  *_, sentence, last = done.stdout.splitlines()
  facts = json.loads(last)
  record = json.loads((whole / "record.json").read_text())
  assert facts["dataset"] == record["dataset"]["name"]
  assert facts["split"] == "test"
  test = record["test"]
  assert test["scores"][test["metric"]] == test["value"]
  for name, value in test.items():
    assert facts[name] == value
  assert f"over {facts['num_tasks_scored']} tasks" in sentence
  predictions = np.load(launcher.folder / "predictions.npz")
  expected = {"graph_index", "row", "smiles", "logits", "labels"}
  assert set(predictions) == expected
  lines = (launcher.folder / "molecules.csv").read_text().splitlines()
  for index, row, smiles in zip(
    predictions["graph_index"], predictions["row"], predictions["smiles"]
  ):
    assert row == index + 1 and lines[row].startswith(f"{smiles},test,")
  assert predictions["logits"].shape == predictions["labels"].shape == (11, 3)


def test_the_latest_checkpoint_on_another_split(launcher, whole):
  flags = ("--split=valid", "--checkpoint=latest", "--json")
  done = launcher.here("evaluate", "--workdir=whole", *flags)
  facts = json.loads(done.stdout.splitlines()[-1])
  record = json.loads((whole / "record.json").read_text())
  assert [facts["step"], facts["value"]] == record["curves"]["valid"][-1]


def test_a_run_does_not_differ_from_itself(launcher, whole):
  flags = ("--compare=whole", "--resamples=37", "--seed=3", "--json")
  flags += ("--metric=rocauc",)  # The dataset's own is ap.
  done = launcher.here("evaluate", "--workdir=whole", *flags)
  assert done.returncode == 0, done.stderr
  *_, first, second, sentence, last = done.stdout.splitlines()
  assert first == second
  assert sentence.startswith("A - B: +0.00000 rocauc, 95% interval")
  facts = json.loads(last)
  compared = facts["comparison"]
  assert compared["value_a"] == compared["value_b"] == facts["value"]
  assert (compared["workdir"], compared["seed"]) == ("whole", 3)
  assert 0 < compared["num_resamples"] <= 37
  for name in ("difference", "low", "high", "share_better"):
    assert compared[name] == 0


def test_the_dataset_may_have_moved_but_not_changed(launcher, whole, tmp_path):
  lines = (launcher.folder / "molecules.csv").read_text().splitlines()
  moved = tmp_path / "moved.csv"
  moved.write_text("\n".join(lines) + "\n")
  flags = ("--workdir=whole", f"--dataset={moved}", "--json")
  done = launcher.here("evaluate", *flags)
  assert done.returncode == 0, done.stderr
  facts = json.loads(done.stdout.splitlines()[-1])
  record = json.loads((whole / "record.json").read_text())
  assert facts["value"] == record["test"]["value"]
  row = next(i for i, line in enumerate(lines) if ",test," in line)
  fields = lines[row].split(",")
  fields[-1] = str(1 - int(fields[-1] or 0))
  lines[row] = ",".join(fields)
  moved.write_text("\n".join(lines) + "\n")
  line = launcher.fail("evaluate", *flags)
  assert (
    "the run in whole was made with data that differ from those of 'moved"
    in line
  )
  assert "some labels differ; fingerprint: " in line


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--workdir=nowhere"], "nowhere holds no run"),
    (["--workdir=whole", "--split=vaild"], "Did you mean 'valid'"),
    (["--workdir=whole", "--checkpoint=last"], "Did you mean 'latest'"),
    (["--workdir=whole", "--metric=aup"], "Did you mean 'ap'"),
    (["--workdir=whole", "--metric=mae"], "cannot be scored by 'mae'"),
    (["--workdir=whole", "--predictions=whole"], "Known: .csv, .npz"),
    (["--workdir=whole", "--predictions=x.txt"], "written to 'x.txt': its nam"),
    (
      ["--workdir=whole", "--predictions=molecules.csv/x.npz"],
      "cannot write to molecules.csv: Not a directory",
    ),
    (["--workdir=whole", "extra"], "unexpected argument 'extra'"),
    ([], "--workdir must have a value"),
  ],
)
def test_wrong_input_is_one_line(launcher, whole, flags, message):
  assert message in launcher.fail("evaluate", *flags)


def test_a_damaged_checkpoint_is_one_line(launcher, whole, tmp_path):
  # Many threads read it: all but the first have nobody to complain to.
  workdir = tmp_path / "run"
  shutil.copytree(whole, workdir)
  best = workdir / "checkpoints" / "best"
  for path in best.rglob("d/*"):
    path.write_bytes(path.read_bytes()[:-7])
  line = launcher.fail("evaluate", f"--workdir={workdir}")
  assert f"{best}/" in line
  assert "is damaged" in line


def test_a_damaged_config_is_one_line(launcher, whole, tmp_path):
  (tmp_path / "config.json").write_text("[]")
  line = launcher.fail("evaluate", f"--workdir={tmp_path}")
  assert "config.json is damaged: it holds no JSON object" in line


def test_a_run_without_checkpoints(launcher, whole):
  (launcher.folder / "empty").mkdir()
  config = (whole / "config.json").read_text()
  (launcher.folder / "empty" / "config.json").write_text(config)
  line = launcher.fail("evaluate", "--workdir=empty")
  assert "no checkpoint 'best' in" in line
