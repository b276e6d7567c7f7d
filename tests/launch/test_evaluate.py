"""The binary that scores a checkpoint."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

# On one worker, which trains the run once.
pytestmark = pytest.mark.xdist_group("launch")


def test_the_value_is_that_of_the_record(launcher, whole):
  done = launcher.run(
    "evaluate", "--workdir=whole", "--json", "--predictions=predictions.npz"
  )
  assert done.returncode == 0, done.stderr
  *_, sentence, last = done.stdout.splitlines()
  facts = json.loads(last)
  record = json.loads((whole / "record.json").read_text())
  assert facts["dataset"] == record["dataset"]["name"]
  assert facts["split"] == "test"
  for name, value in record["test"].items():
    assert facts[name] == value
  assert f"over {facts['num_tasks_scored']} tasks" in sentence
  predictions = np.load(launcher.folder / "predictions.npz")
  assert set(predictions) == {"graph_index", "logits", "labels"}
  assert (np.diff(predictions["graph_index"]) > 0).all()
  assert predictions["logits"].shape == predictions["labels"].shape == (11, 3)


def test_the_latest_checkpoint_on_another_split(launcher, whole):
  flags = ("--split=valid", "--checkpoint=latest", "--json")
  done = launcher.run("evaluate", "--workdir=whole", *flags)
  facts = json.loads(done.stdout.splitlines()[-1])
  record = json.loads((whole / "record.json").read_text())
  assert [facts["step"], facts["value"]] == record["curves"]["valid"][-1]


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--workdir=nowhere"], "nowhere holds no run"),
    (["--workdir=whole", "--split=vaild"], "Did you mean 'valid'"),
    (["--workdir=whole", "--checkpoint=last"], "Did you mean 'latest'"),
    (["--workdir=whole", "--predictions=whole"], "whole: Is a directory"),
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
