r"""Measures one part of the project against a peer.

python -m launch.benchmark data --dataset=ogbg-molhiv --data_dir=DIR --json
python -m launch.benchmark train --config=configs/molpcba.py:gcn,sum \
  --against=pyg
python -m launch.benchmark readout equilibrium --against=pyg --against=literal
python -m launch.benchmark inner_steps
python -m launch.benchmark population --config=configs/tu.py:MUTAG,sum

A benchmark is a module of benchmarks with a function `run`, which takes
those of the flags below that it needs.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

BENCHMARKS = (
  "data",
  "inner_steps",
  "population",
  "readout",
  "readouts",
  "train",
)

_FLAGS = {
  "config": cli.define_config("What to train.", is_required=False),
  "against": flags.DEFINE_multi_string("against", [], "Peers, such as pyg."),
  "rounds": flags.DEFINE_integer("rounds", 5, "Runs of each side.", 1),
  "dataset": flags.DEFINE_string("dataset", None, "Such as ogbg-molhiv."),
  "data_dir": flags.DEFINE_string("data_dir", None, "The data folder."),
  "cache_dir": flags.DEFINE_string("cache_dir", None, "Converted data."),
}
_JSON = flags.DEFINE_bool("json", False, "End with one line of JSON.")


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark that the first positional argument names."""
  from gnn_readout.errors import suggest

  name, *subject = argv[1:] or ["none"]
  if name not in BENCHMARKS:
    raise ValueError(f"unknown benchmark {name!r}.{suggest(name, BENCHMARKS)}")
  benchmark = importlib.import_module(f"benchmarks.{name}")
  values = {key: flag.value for key, flag in _FLAGS.items()}
  taken = inspect.signature(benchmark.run).parameters
  if len(subject) != ("readout" in taken):
    wants = "the name of a readout" if "readout" in taken else "no argument"
    got = " ".join(subject) or "none"
    raise ValueError(f"benchmark {name!r} takes {wants}, got {got}.")
  if subject:
    values["readout"] = subject[0]
  for flag in values.keys() - taken.keys():
    if flags.FLAGS[flag].present:
      raise ValueError(f"benchmark {name!r} takes no --{flag}.")
  result = benchmark.run(**{k: v for k, v in values.items() if k in taken})
  if _JSON.value:
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
