"""A folder with a small dataset, and the binaries run in it."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest

from tests.launch import in_process

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _hangups_are_heard():
  """Under nohup these tests, and what they start, would ignore SIGHUP."""
  before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
  yield
  signal.signal(signal.SIGHUP, before)


class Launcher:
  """Runs binaries in a folder that holds molecules.csv and the caches."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self.root = ROOT
    self.environment = {
      **os.environ,
      "GNN_READOUT_CACHE": str(folder / "cache"),
      "JAX_PLATFORMS": "cpu",
      "PYTHONPATH": str(ROOT),
    }

  def train_arguments(self, workdir: str, *flags: str) -> list[str]:
    """Returns the command line of a run of 31 steps of a small model."""
    return [
      f"--config={ROOT / 'configs' / 'molpcba.py'}:gin,sum",
      "--config.dataset=molecules.csv",
      "--config.model.message_passing.width=7",
      "--config.model.message_passing.num_layers=2",
      "--config.batching.batch_size=5",
      "--config.batching.num_buckets=2",
      "--config.num_epochs=0",
      "--config.num_steps=31",
      "--config.eval_every=11",
      "--config.checkpoint_every=4",
      "--config.log_every=3",
      "--config.tensorboard=False",
      *flags,
      f"--workdir={workdir}",
    ]

  def run(
    self, binary: str, *arguments: str, first: str = ""
  ) -> subprocess.CompletedProcess:
    """Runs `python -m launch.BINARY`, after some Python code if given."""
    start = ["-m", f"launch.{binary}"]
    if first:
      then = (
        f"import runpy; runpy.run_module('launch.{binary}', None, '__main__')"
      )
      start = ["-c", f"{first}\n{then}"]
    return subprocess.run(
      [sys.executable, *start, *arguments],
      cwd=self.folder,
      env=self.environment,
      capture_output=True,
      text=True,
      timeout=600,
    )

  def here(self, binary: str, *arguments: str) -> in_process.Done:
    """Runs a binary in this process, which is quicker."""
    return in_process.run(
      binary, *arguments, folder=self.folder, environment=self.environment
    )

  def fail(self, binary: str, *arguments: str) -> str:
    """Runs a binary that must fail with one line on stderr; returns that."""
    return f"error: {self.here(binary, *arguments).error}"


@pytest.fixture(scope="session")
def launcher(tmp_path_factory):
  """A launcher in a folder with 83 molecules."""
  folder = tmp_path_factory.mktemp("launch")
  rng = random.Random(7)
  groups = ["C", "CC", "N", "O", "c1ccccc1", "C(=O)", "S", "C(C)"]
  splits = ("train",) * 5 + ("valid", "test")
  lines = ["smiles,split,nitrogen,long,ring"]
  for i in range(83):
    words = rng.choices(groups, k=rng.randint(1, 7))
    labels = ["N" in words, len(words) > 4, "c1ccccc1" in words]
    labels = [str(int(label)) for label in labels]
    if i % 11 == 10:
      labels[i % 3] = ""
    lines.append(",".join([f"C{''.join(words)}F", splits[i % 7], *labels]))
  (folder / "molecules.csv").write_text("\n".join(lines) + "\n")
  return Launcher(folder)


@pytest.fixture(scope="session")
def whole(launcher):
  """The folder of a run that nothing interrupted."""
  done = launcher.run("train", *launcher.train_arguments("whole"))
  assert done.returncode == 0, done.stderr
  return launcher.folder / "whole"
