"""What flags say, and what becomes of what they are given."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal

import pytest

from configs import tu
from gnn_readout import data
from gnn_readout.runs import locks, settings
from gnn_readout.training import program
from tests.launch import in_process
from tests.launch.test_crossval_binary import write_zip

ROOT = pathlib.Path(__file__).parents[2]
_BINARIES = sorted(
  path.stem for path in (ROOT / "launch").glob("*.py") if path.stem[0] != "_"
)
_TU = (
  f"--config={ROOT}/configs/tu.py:PATHS,sum",
  "--config.batching.batch_size=5",
  "--config.model.message_passing.width=4",
  "--config.model.message_passing.num_layers=1",
)
_STUDY = (
  *_TU,
  "--config.repeats=1",
  "--config.folds.num_folds=3",
  "--config.grid=model.head.dropout_rate=0,0.5",
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
  """A data folder with the dataset tu/PATHS, and its cache."""
  folder = tmp_path_factory.mktemp("data")
  write_zip(folder)
  return [f"--data_dir={folder}", f"--cache_dir={folder / 'cache'}"]


@pytest.fixture
def molecules(launcher, tmp_path):
  """Flags of a small run on molecules, without its length."""
  left_out = ("num_epochs", "num_steps", "workdir")
  arguments = launcher.train_arguments("unused")
  pattern = rf"--(config\.)?({'|'.join(left_out)})="
  return [
    *(word for word in arguments if not re.match(pattern, word)),
    f"--config.dataset={launcher.folder / 'molecules.csv'}",
    f"--cache_dir={launcher.folder / 'cache'}",
  ]


def _record(folder):
  return json.loads((folder / "record.json").read_text())


@pytest.mark.parametrize("binary", _BINARIES)
def test_the_help_of_every_flag_is_a_sentence_of_its_own(binary):
  texts = in_process.helps(binary)
  assert texts or binary == "readouts"
  for name, text in texts.items():
    # Without what absl adds to a flag that is repeated, or one of a few words.
    text = re.sub(r"^<.*?>: |;\n.*", "", text, flags=re.DOTALL)
    assert re.match(r"[A-Z$].*\.$", text, re.DOTALL), (name, text)
  if "cache_dir" in texts:
    assert "default: $GNN_READOUT_CACHE" in texts["cache_dir"]
  if "workdir" in texts:
    assert re.search(r"\b[Ff]older of", texts["workdir"])
  if "resamples" in texts:
    assert texts["resamples"].startswith("Number of bootstrap resamples")


def test_help_lists_the_flags_that_programs_share(launcher):
  done = launcher.run("train", "--help")  # absl adds --help once a process.
  assert done.returncode == 0
  for name in ("config", "workdir", "data_dir", "cache_dir", "coordinator"):
    assert f"\n  --{name}: " in done.stdout


def test_a_length_that_is_given_counts(molecules, tmp_path):
  file = tmp_path / "flags.txt"
  cases = os.environ.get("GNN_READOUT_CASES")
  text = "--config.seed=7\n--config.num_epochs=1\n"
  if cases:
    text = pathlib.Path(cases, "18-flags", "flags.txt").read_text()
  file.write_text(f"# As many as there are.\n{text}")
  for name, more, steps, seed in (
    ("steps", ["--config.num_steps=5"], 5, 0),
    ("flags", [f"--flagfile={file}"], 12, 7),
  ):
    workdir = tmp_path / name
    done = in_process.run("train", *molecules, *more, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    record = _record(workdir)
    assert (record["steps"], record["seed"]) == (steps, seed)
    assert f"run      {steps} steps" in done.stdout
  assert "--config.seed=7 --config.num_epochs=1.0" in record["command"]
  both = ["--config.num_steps=5", f"--flagfile={file}", "--workdir=never"]
  done = in_process.run("train", *molecules, *both)
  assert done.error == (
    "--config.num_epochs=1 and --config.num_steps=5 both set the length of"
    " the run; give one of them"
  )
  done = in_process.run("train", *molecules, "--flagfile=none.txt")
  assert "none.txt" in done.error


@pytest.mark.parametrize(
  ("dataset", "message"),
  [
    (
      "tu/PATHS",
      "tu/PATHS has no split, and the config lacks the field 'fold' that"
      " would make one: start from a config that has it, such as"
      " configs/graphs.py or configs/tu.py",
    ),
    (
      "mine",
      "unknown dataset 'mine'; use one of demo, ogbg-molNAME, tu/NAME,"
      " pubchem-hts24, PATH.csv, .tsv or .smi (also .gz), tfds/ogbg_molpcba,"
      " MODULE:FUNCTION, FOLDER of a store.",
    ),
    ("tu/MINE", "MINE"),
  ],
)
def test_datasets_that_the_config_is_not_for(
  molecules, paths, tmp_path, dataset, message
):
  flags = [*molecules, *paths, f"--config.dataset={dataset}"]
  done = in_process.run("train", *flags, f"--workdir={tmp_path / 'w'}")
  assert message in done.error
  assert not (tmp_path / "w" / "config.json").exists()


def test_another_network_on_a_dataset_of_the_tu_collection(paths, tmp_path):
  flags = ["--config.model.message_passing.name=gcn", "--config.num_steps=2"]
  flags.append(f"--workdir={tmp_path}")
  done = in_process.run("train", *_TU, *paths, *flags)
  assert done.returncode == 0, done.stderr
  network = _record(tmp_path)["config"]["model"]["message_passing"]
  assert network == {"name": "gcn", "num_layers": 1, "width": 4}
  # Off a terminal no line comes twice, and one task is one.
  assert "over 1 task," in done.stdout
  lines = done.stdout.splitlines()
  assert len({*lines}) == len(lines)


def test_a_study_counts_steps_if_they_are_given(paths, tmp_path):
  flags = [*_STUDY, *paths, f"--workdir={tmp_path}", "--config.num_steps=4"]
  done = in_process.run("crossval", *flags)
  assert done.returncode == 0, done.stderr
  assert "2 runs x 3 folds x 1 repeat = 6 runs, in" in done.stdout
  record = _record(tmp_path / "PATHS-sum-fspool2019")
  # Eight graphs are to be tested, eight to validate, eight are two batches.
  assert record["protocol"]["epochs"] == 2.0
  assert max(record["repeats"][0]["epochs"]) <= 2


def test_members_of_a_population_are_named(paths, tmp_path):
  population = "--config.population=seed=0,1 optimizer.learning_rate=0.01,0.1"
  flags = [*_TU, *paths, population, "--config.num_steps=2"]
  done = in_process.run("train", *flags, f"--workdir={tmp_path}")
  assert done.returncode == 0, done.stderr
  assert "4 members in 1 program, on" in done.stdout
  done = in_process.run("evaluate", *paths, f"--workdir={tmp_path}")
  assert done.error == (
    f"{tmp_path} holds a population of 4 runs; name one of them, such as"
    f" {tmp_path}/members/seed=0,learning_rate=0.01. Its members are:"
    " seed=0,learning_rate=0.01; seed=0,learning_rate=0.1;"
    " seed=1,learning_rate=0.01; seed=1,learning_rate=0.1"
  )
  member = tmp_path / "members" / "seed=1,learning_rate=0.1"
  done = in_process.run("evaluate", *paths, f"--workdir={member}")
  assert done.returncode == 0 and "over 1 task, at step" in done.stdout


@pytest.mark.parametrize("binary", ["train", "crossval"])
def test_a_folder_has_one_writer(paths, tmp_path, binary):
  folder = tmp_path
  if binary == "crossval":
    folder = tmp_path / "PATHS-sum-fspool2019"
  with locks.hold(folder):
    flags = [*_STUDY, *paths, f"--workdir={tmp_path}"]
    done = in_process.run(binary, *flags)
  assert done.error == (
    f"{folder} is in use by process {os.getpid()} on {os.uname().nodename};"
    " wait until it ends, or choose another folder"
  )
  assert not list(folder.glob("*.json*"))


@pytest.mark.parametrize(
  ("binary", "number"),
  [
    ("train", signal.SIGTERM),
    ("train", signal.SIGINT),
    ("crossval", signal.SIGHUP),
    ("sweep", signal.SIGINT),
    ("evaluate", signal.SIGTERM),
  ],
)
def test_a_signal_while_a_dataset_is_opened(
  paths, tmp_path, monkeypatch, binary, number
):
  def load(*unused, **unused_too):
    signal.raise_signal(number)
    pytest.fail("it went on")

  flags = [*_STUDY, *paths, f"--workdir={tmp_path}"]
  if binary == "sweep":
    sweep = f"--sweep={ROOT}/tests/sweeps/tiny.py:pair"
    flags = [sweep, f"--workdir={tmp_path}", "--cache_dir=x"]
  if binary == "evaluate":
    config = settings.as_json(tu.get_config("PATHS,sum"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    flags = flags[-1:]
  monkeypatch.setattr(data, "load", load)
  before = signal.getsignal(signal.SIGINT)  # Ignored in a background job.
  done = in_process.run(binary, *flags)
  name, is_resumed = number.name, binary != "evaluate"
  hint = "; the same command resumes" if is_resumed else ""
  assert done.stderr == f"{name}: stopped{hint}\n"
  assert done.returncode == (0 if is_resumed else 128 + number)
  assert signal.getsignal(signal.SIGINT) == before


def test_a_signal_while_a_step_is_compiled(paths, tmp_path, monkeypatch):
  real = program.Program._compile_step

  def compile_step(self, *arguments):
    signal.raise_signal(signal.SIGTERM)
    real(self, *arguments)

  flags = [*_TU, *paths, "--config.num_steps=9", "--config.seed=3"]
  flags += ["--config.model.message_passing.width=6", f"--workdir={tmp_path}"]
  with monkeypatch.context() as patch:
    patch.setattr(program.Program, "_compile_step", compile_step)
    done = in_process.run("train", *flags)
  assert done.returncode == 0, done.stderr
  assert "SIGTERM: saved step 1; the same command" in done.stdout
  done = in_process.run("train", *flags)
  assert "resuming from the checkpoint of step 1" in done.stdout
  assert _record(tmp_path)["steps"] == 9


def test_a_damaged_checkpoint_names_the_command_that_continues(
  paths, tmp_path, monkeypatch
):
  flags = [*_TU, *paths, "--config.num_steps=4", f"--workdir={tmp_path}"]
  flags.append("--config.checkpoint_every=2")
  assert in_process.run("train", *flags).returncode == 0
  (tmp_path / "record.json").unlink()
  (file,) = (tmp_path / "checkpoints" / "latest").glob("*/_CHECKPOINT_METADATA")
  file.write_bytes(file.read_bytes()[:-1])
  done = in_process.run("train", *flags)
  assert (
    "the file _CHECKPOINT_METADATA does not have the checksum" in done.error
  )
  command = done.error.rpartition(": ")[2]
  assert command.startswith("python -m launch.train --config=")
  words = command.split()
  assert words[-1] == "--from_best" and f"--workdir={tmp_path}" in words
  done = in_process.run("train", *words[3:])
  assert done.returncode == 0, done.stderr
  assert "resuming from the best checkpoint, of step" in done.stdout
  assert _record(tmp_path)["restarts"]
