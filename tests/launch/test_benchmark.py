"""The binary that measures, and the table of benchmarks."""

import importlib
import inspect
import json
import pathlib
import re
import subprocess
import sys

import pytest

import benchmarks
from benchmarks import load
from gnn_readout import records
from gnn_readout.data import sources
from gnn_readout.report.results import speed
from tests.launch import in_process

ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = "--config=configs/molpcba.py:gcn,sum"


@pytest.mark.parametrize(
  ("args", "message"),
  [
    (["dtaa"], "unknown benchmark 'dtaa'. Did you mean 'data'?"),
    ([], "unknown benchmark 'none'. Known: all, data, "),
    (["data", "--only=gcn_8"], "benchmark 'data' takes no --only."),
    (["all", "--only=gcn_9"], "unknown figure 'gcn_9'. Did you mean 'gcn_8'?"),
    (["all", "--dataset=demo"], "benchmark 'all' takes no --dataset."),
    (["all", "gcn_8"], "benchmark 'all' takes no argument, got gcn_8."),
    (["data", "--against=pyg"], "benchmark 'data' takes no --against."),
    (["data", "--dataset=ogbg-molhvi"], "Did you mean 'ogbg-molhiv'?"),
    (["train"], "benchmark 'train' needs --config."),
    (["train", _CONFIG, "--against=pgy"], "Did you mean 'pyg'?"),
    (["sets"], "benchmark 'sets' needs --config."),
    (["sets", _CONFIG], "benchmark 'sets' has peers of set_prediction: dspn"),
    (["sets", "--config=configs/sorting.py:po_la"], "which P starts uniform."),
    (
      ["train", "--config=configs/sorting.py:po_u"],
      "the config is for the task 'sorting', not for graphs,",
    ),
    (
      ["profile", "--config=configs/counting.py:sum"],
      "the config is for the task 'counting', not for graphs,",
    ),
    (
      ["population", "--config=configs/sorting.py:po_u"],
      "'population' needs --config=configs/tu.py:NAME,READOUT.",
    ),
    (["data", "sum"], "benchmark 'data' takes no argument, got sum."),
    (["readout"], "'readout' takes the name of a readout, got none."),
    (["readout", "equilibrum"], "Did you mean 'equilibrium'?"),
    (["readout", "sum", "--against=literal"], "unknown peer 'literal'."),
    (
      ["train", _CONFIG, "--config.optimizer.learning_rate=-1"],
      "learning_rate must be positive, got -1",
    ),
  ],
)
def test_bad_input_is_one_line(args, message):
  assert message in in_process.run("benchmark", *args, folder=ROOT).error


@pytest.mark.parametrize("name", speed.FIGURES)
def test_the_record_of_a_figure_is_found_by_its_command(
  name, tmp_path, monkeypatch
):
  figure = speed.FIGURES[name]
  row = {"name": "thing", "ours": 1.0}
  asked = []
  monkeypatch.setattr(load, "now", lambda: 0.0)
  monkeypatch.setattr(load, "share_of_others", lambda before, after: 0.0)
  monkeypatch.setattr(
    benchmarks, "run", lambda *args: asked.append(args) or {"rows": [row]}
  )
  words = [*figure.arguments, "--rounds=2", f"--records={tmp_path}"]
  done = in_process.run("benchmark", *words, folder=ROOT)
  assert done.returncode == 0, done.stderr
  ((subject, _, given),) = asked
  assert {"rounds"} <= {*given} and list(subject) == [
    word for word in figure.arguments if not word.startswith("--")
  ]
  (record,) = records.read_folder(tmp_path, "benchmark").values()
  assert record["rounds"] == 2 and str(tmp_path) not in record["command"]
  device = speed.device_of(record)
  assert speed.find([record], figure.arguments, device) == record
  others = [f for other, f in speed.FIGURES.items() if other != name]
  assert not any(speed.find([record], f.arguments, device) for f in others)


@pytest.mark.parametrize("name", speed.FIGURES)
def test_a_figure_takes_what_its_benchmark_does(name):
  figure = speed.FIGURES[name]
  function = importlib.import_module(f"benchmarks.{figure.arguments[0]}").run
  taken = inspect.signature(function).parameters
  assert {"rounds", "data_dir"} <= set(taken)
  for word in figure.arguments[1:]:
    flag = re.match(r"--(\w+)|", word)[1] or "readout"
    assert flag in taken, word
  for dataset in figure.datasets:
    sources.find(dataset)


def test_every_benchmark_has_a_module():
  for name in benchmarks.BENCHMARKS:
    assert callable(importlib.import_module(f"benchmarks.{name}").run)


def test_data(data_dir):
  quick = f"""
import functools, sys
from benchmarks import timing
from gnn_readout import cli
from launch import benchmark
timing.alternate = functools.partial(timing.alternate, min_seconds=0.05)
sys.argv = ["benchmark", "data", "--dataset=ogbg-moltox21", "--rounds=3",
            "--data_dir={data_dir}", "--json"]
cli.run(benchmark.main, takes_arguments=True)
"""
  done = subprocess.run(
    [sys.executable, "-c", quick], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout.splitlines()[-1])
  assert result["name"] == "data"
  assert [row["name"] for row in result["rows"]] == [
    "batching, batch 8",
    "batching, batch 32",
  ]
  for record in result["rows"]:
    assert record["ratio"] == pytest.approx(record["ours"] / record["peer"])
    assert [len(runs) for runs in record["runs"].values()] == [3, 3]
    assert record["node_fill"] > 0.8
  assert result["warm_seconds"] > 0 and result["cold_seconds"] > 0
  assert 10 < result["peak_megabytes"] < 4000
  assert 1 < result["column_megabytes"] < 100
  assert result["metric_seconds"] > 0 and result["bootstrap_seconds"] > 0
