"""The binary that measures, and the table of benchmarks."""

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import benchmarks
from tests.launch import in_process

ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = "--config=configs/molpcba.py:gcn,sum"


@pytest.mark.parametrize(
  ("args", "message"),
  [
    (["dtaa"], "unknown benchmark 'dtaa'. Did you mean 'data'?"),
    ([], "unknown benchmark 'none'. Known: data, "),
    (["data", "--against=pyg"], "benchmark 'data' takes no --against."),
    (["data", "--dataset=ogbg-molhvi"], "Did you mean 'ogbg-molhiv'?"),
    (["train"], "benchmark 'train' needs --config."),
    (["train", _CONFIG, "--against=pgy"], "Did you mean 'pyg'?"),
    (["sets"], "benchmark 'sets' needs --config."),
    (["sets", _CONFIG], "benchmark 'sets' has peers of set_prediction: dspn"),
    (["sets", "--config=configs/sorting.py:po_la"], "which P starts uniform."),
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
  assert result["ratio"] == pytest.approx(result["ours"] / result["peer"])
  assert [len(runs) for runs in result["runs"].values()] == [3, 3]
  assert result["ratio"] == result["batch_sizes"]["32"]["ratio"]
  for record in result["batch_sizes"].values():
    assert record["ratio"] > 0
    assert record["node_fill"] > 0.8
  assert result["warm_seconds"] > 0 and result["cold_seconds"] > 0
  assert 10 < result["peak_megabytes"] < 4000
  assert 1 < result["column_megabytes"] < 100
  assert result["metric_seconds"] > 0 and result["bootstrap_seconds"] > 0
