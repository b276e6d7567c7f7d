r"""Measures one part of the project against a peer.

python -m launch.benchmark data --dataset=ogbg-molhiv --data_dir=DIR --json
python -m launch.benchmark train --config=configs/molpcba.py:gcn,sum \
  --against=pyg
python -m launch.benchmark readout equilibrium --against=pyg --against=literal
python -m launch.benchmark readouts --against=pyg
python -m launch.benchmark inner_steps
python -m launch.benchmark sets --config=configs/set_prediction.py
python -m launch.benchmark population --config=configs/tu.py:MUTAG,sum

The table in benchmarks/__init__.py lists all of them. With
--records=results/records the result is written as a record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_FLAGS = {
  "config": cli.define_config(
    "Measure the model, data and batches of this config, such as"
    " configs/molpcba.py:gcn,sum.",
    is_required=False,
  ),
  "against": flags.DEFINE_multi_string(
    "against",
    [],
    "Measure against this peer, such as pyg.",
  ),
  "rounds": flags.DEFINE_integer(
    "rounds", 5, "Number of rounds; each side runs once per round.", 1
  ),
  "dataset": flags.DEFINE_string(
    "dataset",
    None,
    "Measure on this dataset, such as ogbg-molhiv (default: the benchmark's"
    " own).",
  ),
  "data_dir": cli.define_data_dir(),
  "cache_dir": cli.define_cache_dir(),
}
_RECORDS = flags.DEFINE_string(
  "records",
  None,
  "Write a record of the result to this folder (default: no record is"
  " written).",
)
_JSON = flags.DEFINE_bool(
  "json", False, "Print the result as one line of JSON at the end."
)


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
