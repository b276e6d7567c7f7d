r"""Measures one part of the project against a peer.

python -m launch.benchmark data --dataset=ogbg-molhiv --data_dir=DIR --json
python -m launch.benchmark train --config=configs/molpcba.py:gcn,sum \
  --against=pyg

A benchmark is a module of launch/benchmarks with a function `run`, which takes
those of the flags below that it needs.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from launch import cli

BENCHMARKS = ("data", "train")

_FLAGS = {
  "config": config_flags.DEFINE_config_file("config", None, "What to train."),
  "against": flags.DEFINE_multi_string("against", [], "Peers, such as pyg."),
  "rounds": flags.DEFINE_integer("rounds", 5, "Runs of each side.", 1),
  "dataset": flags.DEFINE_string("dataset", None, "Such as ogbg-molhiv."),
  "data_dir": flags.DEFINE_string("data_dir", None, "The data folder."),
  "cache_dir": flags.DEFINE_string("cache_dir", None, "Converted data."),
}
_JSON = flags.DEFINE_bool("json", False, "End with one line of JSON.")


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark that the one positional argument names."""
  from gnn_readout.errors import suggest

  if len(argv) != 2 or argv[1] not in BENCHMARKS:
    got = " ".join(argv[1:]) or "none"
    raise ValueError(f"unknown benchmark {got!r}.{suggest(got, BENCHMARKS)}")
  benchmark = importlib.import_module(f"launch.benchmarks.{argv[1]}")
  values = {name: flag.value for name, flag in _FLAGS.items()}
  taken = inspect.signature(benchmark.run).parameters
  for name in values.keys() - taken.keys():
    if flags.FLAGS[name].present:
      raise ValueError(f"benchmark {argv[1]!r} takes no --{name}.")
  result = benchmark.run(**{k: v for k, v in values.items() if k in taken})
  if _JSON.value:
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
