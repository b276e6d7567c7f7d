"""What all binaries say to wrong input: one line."""

from __future__ import annotations

import pathlib
import shlex
import subprocess
import sys

import pytest

from gnn_readout.report.sections import SECTIONS

CONFIGS = sorted(
  path.name
  for path in pathlib.Path(__file__).parents[2].glob("configs/[a-z]*.py")
  if path.name != "common.py"
)


def test_home_is_expanded_on_the_command_line(launcher, monkeypatch):
  monkeypatch.setitem(launcher.environment, "HOME", str(launcher.folder))
  config = f"--config={launcher.root}/configs/molpcba.py:gcn,sum"
  flags = (config, "--workdir=~/never", "--config.dataset=~/none.csv")
  line = launcher.fail("train", *flags)
  assert line == f"error: {launcher.folder}/none.csv: no such file"


@pytest.mark.parametrize(
  ("binary", "message"),
  [
    ("download", "unexpected argument 'extra'"),
    (
      "report",
      "unknown report 'extra'. Known: "
      f"{', '.join(sorted(['all', *SECTIONS]))}.",
    ),
    ("demo", "unexpected argument 'extra'"),
  ],
)
def test_no_binary_ignores_an_argument(launcher, binary, message):
  flags = ["--dataset=demo"] if binary == "download" else []
  line = launcher.fail(binary, *flags, "extra")
  assert line == f"error: {message}"


@pytest.mark.parametrize(
  ("config", "message"),
  [
    (
      "{configs}",
      f"no config file '{{configs}}'. Known: {', '.join(CONFIGS)}.",
    ),
    ("{configs}/molpbca.py", "Did you mean 'molpcba.py'?"),
    ("no/folder/x.py", "no config file 'no/folder/x.py'."),
    ("molecules.csv", "molecules.csv is not a config file: SyntaxError"),
    ("{configs}/__init__.py", "not a config file: KeyError: 'get_config'"),
    ("{configs}/molpcba.py:gcn", "Unknown variant 'gcn'. Write MESSAGE_"),
    ("{configs}/molpcba.py:", "Unknown variant ''. Write MESSAGE_"),
    ("{configs}/molpcba.py:paper", "Unknown variant 'paper'."),
    ("{configs}/molpcba.py:gcn,virtual,sum", "Did you mean 'virtual_node'?"),
  ],
)
def test_a_config_that_is_not_there(launcher, config, message):
  configs = launcher.root / "configs"
  line = launcher.fail(
    "train", f"--config={config.format(configs=configs)}", "--workdir=never"
  )
  assert message.format(configs=configs) in line


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.batching.batch_size=abc", "expects an integer, got 'abc'"),
    ("--config.seed=1.5", "--config.seed expects an integer, got '1.5'"),
    ("--config.num_epochs=x", "--config.num_epochs expects a number, got 'x'"),
    ("--config.tensorboard=maybe", "expects true or false, got 'maybe'"),
    ("--config.model.readout.delta=x", "expects a number, got 'x'"),
    ("--config.model.readout.delta=-1", "delta must be positive, got -1"),
    ("--config.seed=2147483648", "seed must be at most 2147483647, got 21474"),
  ],
)
def test_a_value_of_the_wrong_kind(launcher, flag, message):
  config = f"--config={launcher.root}/configs/molpcba.py:gcn,pna"
  flags = (config, "--config.dataset=molecules.csv", flag, "--workdir=never")
  assert message in launcher.fail("train", *flags)
  assert not (launcher.folder / "never" / "config.json").exists()


def test_a_field_needs_a_config(launcher):
  line = launcher.fail("train", "--config.seed=3", "--workdir=never")
  assert line == "error: --config.seed needs --config=FILE"
  line = launcher.fail("train", "--workdir=never")
  assert "--config must have a value" in line or "config" in line


def test_the_command_of_a_run_repeats_it(launcher):
  code = (
    "import sys; from gnn_readout import cli; from absl import flags;"
    "cli.define_config('x'); flags.DEFINE_string('workdir', None, '');"
    "cli.run(lambda argv: print(cli.command('launch.train')))"
  )
  config_file = f"{launcher.root}/configs/molpcba.py:gcn,deep_sets"
  fields = {
    "model.readout.phi_widths": "8, 4",
    "optimizer.learning_rate": "1e-4",
    "csv.label_columns": "a b,c",
    "dataset": "~/molecules.csv",
  }
  words = [f"--config.{name}={value}" for name, value in fields.items()]
  done = subprocess.run(
    [sys.executable, "-c", code, f"--config={config_file}", *words],
    env=launcher.environment | {"HOME": str(launcher.folder)},
    cwd=launcher.folder,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert shlex.split(done.stdout) == [
    *("python", "-m", "launch.train"),
    "--config=configs/molpcba.py:gcn,deep_sets",
    "--config.model.readout.phi_widths=(8,4)",
    "--config.optimizer.learning_rate=0.0001",
    "--config.csv.label_columns=a b,c",
    "--config.dataset=molecules.csv",
  ]
