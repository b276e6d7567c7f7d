"""The command `gnn-readout`, in a checkout and where it is installed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import gnn_readout
from gnn_readout import programs
from gnn_readout.cli import config as config_flag

ROOT = pathlib.Path(__file__).parents[1]


def _command(*words, folder):
  return subprocess.run(
    [sys.executable, "-m", "gnn_readout", *words],
    cwd=folder,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
  )


def test_without_a_program_it_names_all(tmp_path):
  done = _command(folder=tmp_path)
  assert done.returncode == 0 and not done.stderr
  for path in (ROOT / "launch").glob("[a-z]*.py"):
    assert f"\n  {path.stem} " in done.stdout
  assert _command("--help", folder=tmp_path).stdout == done.stdout
  said = _command("--version", folder=tmp_path).stdout
  assert said == f"gnn_readout {gnn_readout.__version__}\n"


def test_an_unknown_program_is_one_line(tmp_path):
  done = _command("trian", folder=tmp_path)
  assert done.returncode == 1 and not done.stdout
  assert done.stderr.startswith("error: unknown program 'trian'. Did you mean")
  assert done.stderr.count("\n") == 1


def test_help_says_what_to_type(tmp_path):
  done = _command("train", "--help", folder=tmp_path)
  assert done.returncode == 0
  assert "gnn-readout train --config=configs/molpcba.py" in done.stdout
  assert "python -m launch" not in done.stdout


def test_configs_of_its_own_are_found_from_any_folder(tmp_path):
  words = ("train", "--config=configs/tu.py:MUTAG,sum", "--workdir=run")
  done = _command(*words, "--data_dir=.", folder=tmp_path)
  assert done.returncode == 1
  assert "To fetch it: gnn-readout download --dataset=tu/MUTAG" in done.stderr
  assert done.stderr.count("\n") == 1


def test_a_file_that_is_there_comes_first(tmp_path, monkeypatch):
  (tmp_path / "configs").mkdir()
  own = tmp_path / "configs" / "tu.py"
  own.write_text("def get_config():\n  return 'mine'\n")
  monkeypatch.chdir(tmp_path)
  names = config_flag.read_config_file("configs/tu.py")
  assert names["get_config"]() == "mine"
  own.unlink()
  names = config_flag.read_config_file("configs/tu.py")
  assert "READOUTS" in names
  with pytest.raises(OSError, match=r"no config file 'configs/median\.p'"):
    config_flag.read_config_file("configs/median.p")
  own.parent.rmdir()
  with pytest.raises(OSError, match=r"Did you mean 'median\.py'"):
    config_flag.read_config_file("configs/median.p")


def test_a_sweep_prints_commands_that_work(tmp_path):
  words = ("--sweep=configs/molpcba.py:table2", "--workdir=w")
  done = _command("sweep", *words, "--print_commands", folder=tmp_path)
  assert done.returncode == 0, done.stderr
  first = done.stdout.splitlines()[0]
  assert " -m gnn_readout train --config=configs/molpcba.py" in first


@pytest.mark.parametrize(
  ("module", "extra"),
  [
    ("optax", "train"),
    ("rdkit.Chem", "train"),
    ("tensorflow", "tensorboard"),
    ("torch_geometric.nn", "peers"),
    ("flax", "flax"),
  ],
)
def test_what_is_not_installed_is_named(module, extra):
  text = programs.lacking(ModuleNotFoundError(name=module))
  assert text.startswith(f"{module.partition('.')[0]} is not installed")
  assert f"'gnn_readout[{extra}]'" in text


@pytest.mark.parametrize("module", ["launch.trian", "gnn_readout.x", None])
def test_what_is_ours_is_no_lack(module):
  assert programs.lacking(ModuleNotFoundError(name=module)) == ""


def test_in_a_checkout_commands_are_those_of_python():
  text = "python -m launch.train --config=configs/tu.py"
  assert programs.spelled(text) == text
  assert programs.child("train")[1:] == ["-m", "launch.train"]
  for start in ("python -m launch.", "gnn-readout "):
    assert programs.name_of(f"{start}train --x") == "train --x"
