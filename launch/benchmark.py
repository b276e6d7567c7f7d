r"""Measures one part of the project against a peer.

python -m launch.benchmark data --dataset=ogbg-molhiv --data_dir=DIR --json
python -m launch.benchmark train --config=configs/molpcba.py:gcn,sum \
  --against=pyg
python -m launch.benchmark readout equilibrium --against=pyg --against=literal
python -m launch.benchmark inner_steps
python -m launch.benchmark population --config=configs/tu.py:MUTAG,sum

benchmarks/__init__.py has the table of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_FLAGS = {
  "config": cli.define_config("What to train.", is_required=False),
  "against": flags.DEFINE_multi_string("against", [], "Peers, such as pyg."),
  "rounds": flags.DEFINE_integer("rounds", 5, "Runs of each side.", 1),
  "dataset": flags.DEFINE_string("dataset", None, "Such as ogbg-molhiv."),
  "data_dir": flags.DEFINE_string("data_dir", None, "The data folder."),
  "cache_dir": flags.DEFINE_string("cache_dir", None, "Converted data."),
}
_RECORDS = flags.DEFINE_string("records", None, "Where to write a record.")
_JSON = flags.DEFINE_bool("json", False, "End with one line of JSON.")


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark that the first positional argument names."""
  import benchmarks

  values = {name: flag.value for name, flag in _FLAGS.items()}
  given = [name for name in _FLAGS if flags.FLAGS[name].present]
  result = benchmarks.run(argv[1:], values, given)
  if _RECORDS.value:
    shown = {k: values[k] for k in ("against", "rounds", "dataset")}
    shown = {k: v for k, v in shown.items() if k in given}
    command = cli.command("launch.benchmark", *argv[1:], **shown)
    benchmarks.write_record(_RECORDS.value, command, result)
  if _JSON.value:
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
