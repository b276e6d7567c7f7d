"""Tests of launch/benchmark.py and benchmarks."""

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import benchmarks
from benchmarks import timing

ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = "--config=configs/molpcba.py:gcn,sum"


def _run(*args):
  return subprocess.run(
    [sys.executable, *args], cwd=ROOT, capture_output=True, text=True
  )


@pytest.mark.parametrize(
  ("args", "message"),
  [
    (["dtaa"], "unknown benchmark 'dtaa'. Did you mean 'data'?"),
    ([], "unknown benchmark 'none'. Known: data, "),
    (["data", "--against=pyg"], "benchmark 'data' takes no --against."),
    (["data", "--dataset=ogbg-molhvi"], "Did you mean 'ogbg-molhiv'?"),
    (["train"], "benchmark 'train' needs --config."),
    (["train", _CONFIG, "--against=pgy"], "Did you mean 'pyg'?"),
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
  done = _run("-m", "launch.benchmark", *args)
  assert done.returncode == 1
  assert message in done.stderr
  assert len(done.stderr.splitlines()) == 1


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
  done = _run("-c", quick)
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


def test_alternate_takes_turns_and_rates_are_items_per_second(monkeypatch):
  now, calls = [0.0], []
  monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

  def function(name, items, seconds):
    def call():
      calls.append(name)
      now[0] += seconds[min(calls.count(name) - 1, len(seconds) - 1)]
      return items

    return call

  measured = timing.alternate(
    {
      "ours": function("ours", 7, [100.0, 1.0]),  # A slow first call.
      "peer": function("peer", 3, [50.0, 2.0, 4.0, 6.0, 8.0]),
    },
    rounds=3,
    min_seconds=2.5,
  )
  # A warm-up each, then runs of at least 2.5 seconds.
  warm, rest = calls[:2], "".join(name[0] for name in calls[2:])
  assert warm == ["ours", "peer"]
  assert rest == "ooopp" + "ooop" + "ooop"
  assert measured["ours"] == (7.0, 0.0, [7.0, 7.0, 7.0])
  assert measured["peer"].runs == [6 / 6, 3 / 6, 3 / 8]
  assert measured["peer"].median == 0.5
  assert measured["peer"].iqr == pytest.approx((1 + 0.5) / 2 - 0.4375)
  record = timing.compare("thing", measured)
  assert record["ratio"] == 14.0
  assert record["runs"]["peer"] == measured["peer"].runs
  assert json.loads(json.dumps(record)) == record


def test_table_columns_line_up(capsys):
  timing.print_table("title", ["", "long column"], [["a", "1"], ["bb", "23"]])
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == "title"
  assert len({len(line) for line in lines[1:]}) == 1
  assert lines[4].split("│")[2] == "           1 "
