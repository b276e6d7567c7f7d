"""The binary that cross-validates, from a zip of the TU collection."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]


def write_zip(folder, num_graphs=24, size=3):
  """Paths of three nodes; the label says whether their ends are alike."""
  rng = np.random.default_rng(0)
  classes = np.arange(num_graphs) % 2
  edges, labels = [], []
  for g in range(num_graphs):
    first = g * size + 1
    edges += [(first, first + 1), (first + 1, first), (first + 1, first + 2)]
    edges += [(first + 2, first + 1)]
    end = rng.integers(0, 2)
    labels += [end, 2, end if classes[g] else 1 - end]
  files = {
    "A": [f"{a}, {b}" for a, b in edges],
    "graph_indicator": np.repeat(np.arange(num_graphs) + 1, size),
    "graph_labels": classes,
    "node_labels": labels,
  }
  (folder / "tu").mkdir(parents=True)
  with zipfile.ZipFile(folder / "tu" / "PATHS.zip", "w") as archive:
    for name, lines in files.items():
      text = "\n".join(map(str, lines)) + "\n"
      archive.writestr(f"PATHS/PATHS_{name}.txt", text)


def launch(*flags):
  return subprocess.run(
    [sys.executable, "-m", "launch.crossval", *flags],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=600,
  )


def test_a_study_from_the_command_line(tmp_path):
  write_zip(tmp_path / "data")
  flags = [
    "--config=configs/tu.py:PATHS,sum",
    f"--data_dir={tmp_path / 'data'}",
    f"--cache_dir={tmp_path / 'cache'}",
    f"--workdir={tmp_path / 'runs'}",
    f"--records={tmp_path / 'records'}",
    "--config.repeats=1",
    "--config.num_epochs=2",
    "--config.folds.num_folds=3",
    "--config.grid=model.head.dropout_rate=0,0.5",
    "--config.batching.batch_size=5",
    "--config.model.message_passing.width=4",
    "--config.model.message_passing.num_layers=1",
  ]
  done = launch(*flags)
  assert done.returncode == 0, done.stderr
  record = json.loads(
    (tmp_path / "records" / "PATHS-sum-fspool2019.json").read_text()
  )
  assert record["command"].startswith("python -m launch.crossval --config=conf")
  assert "--protocol=fspool2019" in record["command"]
  assert str(tmp_path) not in json.dumps(record)
  assert len(record["repeats"][0]["tests"]) == 3
  assert f"{record['test']['value']:.4f}" in done.stdout.splitlines()[-1]
  # All is there already; another protocol is another study of the same folds.
  again = launch(*flags)
  assert again.returncode == 0, again.stderr
  wrong = launch(*flags, "--protocol=fspool")
  assert wrong.returncode == 1
  assert wrong.stderr == (
    "error: unknown protocol 'fspool'. Did you mean 'fspool2019'? Known:"
    " errica2020, fspool2019, gin2019.\n"
  )
