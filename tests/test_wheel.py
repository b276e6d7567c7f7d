"""What is installed: the files of the wheel, and that they work."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

import gnn_readout

ROOT = pathlib.Path(__file__).parents[1]
_FOLDERS = ("gnn_readout", "launch", "configs", "benchmarks")
_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def _run(*command, folder, **variables):
  environment = {
    name: value for name, value in os.environ.items() if name != "PYTHONPATH"
  }
  done = subprocess.run(
    list(map(str, command)),
    cwd=folder,
    env=environment | variables,
    capture_output=True,
    text=True,
    timeout=1800,
  )
  assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
  return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
  """The folder of a wheel, made from the sdist of a copy of the sources."""
  copy = tmp_path_factory.mktemp("sources")
  for name in _FOLDERS:
    ignored = shutil.ignore_patterns("__pycache__", "_programs")
    shutil.copytree(ROOT / name, copy / name, ignore=ignored)
  for name in _FILES:
    shutil.copy(ROOT / name, copy / name)
  build = ("-m", "build", "--no-isolation", "--outdir", copy / "dist", copy)
  _run(sys.executable, *build, folder=copy)
  return copy / "dist"


def _members(dist):
  (wheel,) = dist.glob("*.whl")
  with zipfile.ZipFile(wheel) as file:
    return set(file.namelist())


def test_the_wheel_holds_everything_at_one_place(dist):
  members = _members(dist)
  info = f"gnn_readout-{gnn_readout.__version__}.dist-info"
  assert {name.partition("/")[0] for name in members} == {"gnn_readout", info}
  expected = set()
  for folder in _FOLDERS:
    inside = "" if folder == "gnn_readout" else "gnn_readout/_programs/"
    expected |= {
      f"{inside}{path.relative_to(ROOT)}"
      for ending in ("py", "csv", "css", "js", "typed")
      for path in (ROOT / folder).rglob(f"*.{ending}")
    }
  assert "gnn_readout/py.typed" in expected and len(expected) > 200
  there = {name for name in members if not name.startswith(info)}
  assert there == expected


def test_its_metadata(dist):
  (wheel,) = dist.glob("*.whl")
  info = f"gnn_readout-{gnn_readout.__version__}.dist-info"
  with zipfile.ZipFile(wheel) as file:
    metadata = file.read(f"{info}/METADATA").decode()
    scripts = file.read(f"{info}/entry_points.txt").decode()
  assert "gnn-readout = gnn_readout.__main__:main" in scripts
  needed = [
    line.removeprefix("Requires-Dist: ").partition(">=")[0]
    for line in metadata.splitlines()
    if line.startswith("Requires-Dist") and "extra ==" not in line
  ]
  assert sorted(needed) == ["dm-haiku", "jax", "jraph", "numpy"]
  checked = _run(
    sys.executable,
    "-m",
    "twine",
    "check",
    "--strict",
    *dist.iterdir(),
    folder=dist,
  )
  assert checked.count("PASSED") == 2


_POOL = """
import sys, jax, jax.numpy as jnp
from gnn_readout import functional, graphs
sets = graphs.make_sets(jnp.array([2, 0, 1]), 3)
init, apply = functional.readout("attention", num_heads=2)
x = jnp.ones((3, 4))
print(apply(init(jax.random.key(0), x, sets), x, sets).values.shape)
for name in ("launch", "configs", "benchmarks", "absl", "optax"):
  try: __import__(name)
  except ModuleNotFoundError: continue
  print("there is", name)
"""


@pytest.mark.slow
def test_it_works_in_a_bare_environment(dist, tmp_path):
  (wheel,) = dist.glob("*.whl")
  _run(sys.executable, "-m", "venv", tmp_path / "env", folder=tmp_path)
  python = tmp_path / "env" / "bin" / "python"
  command = tmp_path / "env" / "bin" / "gnn-readout"
  pip = (python, "-m", "pip", "install", "--quiet")
  _run(*pip, wheel, folder=tmp_path)
  # dm-haiku brings absl.
  said = _run(python, "-c", _POOL, folder=tmp_path).splitlines()
  assert said[0] == "(3, 4)" and {*said[1:]} <= {"there is absl"}
  done = subprocess.run(
    [command, "train", "--config=configs/demo.py:sum", "--workdir=run"],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert "pip install 'gnn_readout[train]'" in done.stderr.splitlines()[-1]
  _run(*pip, f"{wheel}[train]", folder=tmp_path)
  said = _run(
    command,
    *("train", "--config=configs/demo.py:sum", "--config.num_steps=20"),
    *("--config.eval_every=10", "--workdir=run", "--cache_dir=cache"),
    folder=tmp_path,
    GNN_READOUT_DATA="",
  )
  assert "step 20/20" in said and "test ap" in said
  text = (tmp_path / "run" / "record.json").read_text()
  assert '"gnn-readout train --config=configs/demo.py:sum' in text
  said = _run(
    command,
    *("evaluate", "--workdir=run", "--cache_dir=cache"),
    folder=tmp_path,
  )
  assert "test ap" in said
  (tmp_path / "new.smi").write_text("CCO\nc1ccccc1\n")
  _run(
    command,
    *("predict", "--workdir=run", "--input=new.smi", "--output=new.csv"),
    "--cache_dir=cache",
    folder=tmp_path,
  )
  assert len((tmp_path / "new.csv").read_text().splitlines()) == 3
