"""The binary that predicts for new molecules."""

from __future__ import annotations

import csv
import json
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

# On one worker, which trains the run once.
pytestmark = pytest.mark.xdist_group("launch")


@pytest.fixture(scope="module")
def alone(launcher, whole, tmp_path_factory):
  """The folder of the run somewhere else, its dataset gone."""
  folder = tmp_path_factory.mktemp("elsewhere") / "run"
  shutil.copytree(whole, folder)
  config = json.loads((folder / "config.json").read_text())
  config["dataset"] = "/nowhere/molecules.csv"
  (folder / "config.json").write_text(json.dumps(config))
  return folder


def test_the_folder_of_the_run_is_enough(
  launcher, whole, alone, tmp_path, caplog
):
  done = launcher.here(
    "evaluate", "--workdir=whole", f"--predictions={tmp_path / 'e.csv'}"
  )
  assert done.returncode == 0, done.stderr
  lines = (launcher.folder / "molecules.csv").read_text().splitlines()
  lines = [f"{line.split(',')[0]},{i}" for i, line in enumerate(lines)]
  new = tmp_path / "new.csv"
  new.write_text("\n".join(["smiles,place", *lines[1:], "C(,84"]) + "\n")
  done = launcher.here(
    "predict",
    f"--workdir={alone}",
    f"--input={new}",
    f"--output={tmp_path / 'p.csv'}",
  )
  assert done.returncode == 0, done.stderr
  last = done.stdout.splitlines()[-1]
  assert f"{tmp_path / 'p.csv'}: 84 rows, predictions for 83, in " in last
  assert "compiled 1 shape in" in last
  warning = f"{new}: 1 of 84 SMILES is invalid, row 84: 'C(': left empty"
  assert warning in caplog.text  # To standard error, where there is no test.
  found, expected = (
    {
      row["smiles"]: row
      for row in csv.DictReader((tmp_path / name).read_text().splitlines())
    }
    for name in ("p.csv", "e.csv")
  )
  assert len(expected) > 5 and found["C("]["predicted long"] == ""
  for smiles, row in expected.items():
    for task in ("nitrogen", "long", "ring"):
      name = f"predicted {task}"
      np.testing.assert_allclose(
        float(found[smiles][name]), float(row[name]), rtol=1e-4
      )


def test_a_few_flags(launcher, alone, tmp_path):
  (tmp_path / "x.smi").write_text("CCO ethanol\n")
  done = launcher.here(
    "predict",
    f"--workdir={alone}",
    f"--input={tmp_path / 'x.smi'}",
    f"--output={tmp_path / 'x.npz'}",
    "--embeddings",
    "--node_embeddings",
    "--checkpoint=latest",
  )
  assert done.returncode == 0, done.stderr
  found = np.load(tmp_path / "x.npz")
  assert found["name"].tolist() == ["ethanol"]
  assert found["names"].tolist() == ["nitrogen", "long", "ring"]
  assert found["embedding"].shape == (1, 7)
  # The readout is the sum.
  np.testing.assert_allclose(
    found["node_embeddings"].sum(axis=0), found["embedding"][0], rtol=1e-5
  )


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--output=x.txt"], "x.txt': its name must end in one of the known"),
    (["--output=molecules.csv/x.csv"], "cannot write to molecules.csv: Not a"),
    (["--input=none.csv"], "none.csv: no such file"),
    (["--input=other.csv"], "'structure' looks like one: --smiles_column='str"),
    (["--weights"], "has the readout 'sum', which does not weigh nodes; those"),
    (["--image=drawings"], "has the readout 'sum', which does not weigh nodes"),
    (["--image=molecules.csv"], "molecules.csv: Not a directory"),
    (["--checkpoint=last"], "Did you mean 'latest'"),
    (["--node_embeddings"], "x.csv: a .csv file cannot hold the vectors of"),
    (["--workdir=nowhere"], "nowhere holds no run"),
    (
      ["--workdir=whole,whole"],
      "whole and whole are the same run, given twice",
    ),
  ],
)
def test_wrong_input_is_one_line(launcher, whole, flags, message):
  other = launcher.folder / "other.csv"
  other.write_text("name,structure\na,CCO\nb,CCN\n")
  usual = ("--workdir=whole", "--input=molecules.csv", "--output=x.csv")
  assert message in launcher.fail("predict", *usual, *flags)
  assert not (launcher.folder / "x.csv").exists()


def test_a_damaged_checkpoint_is_one_line(launcher, alone, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(alone, workdir)
  for path in (workdir / "checkpoints" / "best").rglob("d/*"):
    path.write_bytes(path.read_bytes()[:-7])
  usual = (f"--workdir={workdir}", "--input=molecules.csv", "--output=x.csv")
  line = launcher.fail("predict", *usual)
  assert "is damaged" in line and "checkpoints/best/" in line


def test_atoms_are_drawn(launcher, tmp_path):
  arguments = launcher.train_arguments(
    "weighing",
    "--config.model.readout.name=softmax",
    "--config.model.message_passing.num_layers=1",
    "--config.batching.num_buckets=1",
    "--config.num_steps=2",
    "--config.eval_every=2",
  )
  done = launcher.here("train", *arguments)
  assert done.returncode == 0, done.stderr
  (tmp_path / "x.smi").write_text("c1ccccc1O phenol\nC(\nCCO\n")
  done = launcher.here(
    "predict",
    "--workdir=weighing",
    f"--input={tmp_path / 'x.smi'}",
    f"--output={tmp_path / 'x.csv'}",
    f"--image={tmp_path / 'drawings'}",
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.endswith("drawings: 2 drawings\n")
  files = sorted((tmp_path / "drawings").iterdir())
  assert [file.name for file in files] == ["row_1.svg", "row_3.svg"]
  for file in files:
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
  header = (tmp_path / "x.csv").read_text().splitlines()[0]
  assert "weights" not in header  # They were only drawn.
