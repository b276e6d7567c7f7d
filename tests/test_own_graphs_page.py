"""docs/own-graphs.md does what it says, block after block."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import pathlib
import re
import shlex
import sys

import pytest

from tests.launch import in_process

ROOT = pathlib.Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.DOTALL | re.M)

# On one worker, with the other tests of binaries.
pytestmark = pytest.mark.xdist_group("launch")


def blocks() -> list[tuple[str, str, str]]:
  """Returns language, name of a file and text of every block."""
  page = (ROOT / "docs" / "own-graphs.md").read_text()
  return _BLOCK.findall(page)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder in which all was done, and what was printed."""
  path = tmp_path_factory.mktemp("page")
  names: dict[str, object] = {}
  printed: dict[str, list[str]] = {"python": [], "sh": []}
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(path)
    patch.setattr(sys, "path", [*sys.path])
    for language, file, text in blocks():
      if file:
        (path / file).write_text(text)
      elif language == "python":
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
          exec(text, names)
        printed["python"].append(out.getvalue())
      elif language == "sh":
        for command in text.replace("\\\n", " ").splitlines():
          _, _, module, *flags = shlex.split(command)
          flags = [
            flag.replace("--config=configs", f"--config={ROOT / 'configs'}")
            for flag in flags
          ]
          done = in_process.run(
            module.removeprefix("launch."),
            *flags,
            folder=path,
            environment={"GNN_READOUT_CACHE": str(path / "cache")},
          )
          assert done.returncode == 0, (command, done.stderr)
          printed["sh"].append(done.stdout)
  sys.modules.pop("my_chains", None)
  return path, printed


def test_the_dataset_is_described_as_the_page_says(folder):
  _, printed = folder
  expected = next(text for language, _, text in blocks() if language == "text")
  assert printed["python"][0] == expected


def test_a_model_of_the_page_is_near_perfect(folder):
  path, printed = folder
  record = json.loads((path / "runs" / "chains" / "record.json").read_text())
  assert record["test"]["metric"] == "rocauc"
  assert record["test"]["value"] > 0.97
  assert record["test"]["constant_scores"]["rocauc"] == 0.5
  assert record["config"]["dataset"] == "chains"
  assert "categories of 'kind': apolar 0, polar 1" in printed["sh"][0]
  with (path / "chains.csv").open() as file:
    assert len([*csv.DictReader(file)]) == record["dataset"]["num_test"] == 40


def test_members_folds_and_a_function(folder):
  path, _ = folder
  members = sorted((path / "runs" / "rates" / "members").glob("*/record.json"))
  assert len(members) == 2
  (study,) = (path / "runs" / "cv").glob("*/record.json")
  record = json.loads(study.read_text())
  assert record["name"] == "chains_cv-mean-gin2019"
  assert record["test"]["count"] == 3
  rings = json.loads((path / "runs" / "rings" / "record.json").read_text())
  assert rings["config"]["dataset"] == "my_chains:ring_sizes"
  assert "--config.dataset=my_chains:ring_sizes" in rings["command"]
