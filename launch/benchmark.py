r"""Measures one part of the project against a peer.

python -m launch.benchmark data --dataset=ogbg-molhiv --data_dir=DIR --json
python -m launch.benchmark train --config=configs/molpcba.py:gcn,sum \
  --against=pyg
python -m launch.benchmark readout equilibrium --against=pyg --against=literal
python -m launch.benchmark readouts --against=pyg
python -m launch.benchmark inner_steps
python -m launch.benchmark sets --config=configs/set_prediction.py
python -m launch.benchmark population --config=configs/tu.py:MUTAG,sum
python -m launch.benchmark profile --config=configs/molpcba.py:gcn,sum

python -m launch.benchmark all --record

The table in benchmarks/__init__.py lists all of them. With --record the result
is written as a record to results/records, unless other programs use the CPU;
`launch.report speed` makes its tables of these records. `all` measures every
figure that has no record yet of this code on this device.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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
  "only": flags.DEFINE_list(
    "only", [], "The figures that 'all' measures, such as gcn_32,data."
  ),
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
_RECORD = flags.DEFINE_bool(
  "record", False, "Write a record of the result to results/records."
)
_DESPITE_LOAD = flags.DEFINE_bool(
  "despite_load",
  False,
  "Measure even while other programs use the CPU; no record is written then.",
)


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark that the first positional argument names."""
  import benchmarks
  from benchmarks import recording

  values = {name: flag.value for name, flag in _FLAGS.items()}
  given = [name for name in _FLAGS if flags.FLAGS[name].present]
  folder = _RECORDS.value or (recording.FOLDER if _RECORD.value else None)
  values |= {"records": folder, "despite_load": _DESPITE_LOAD.value}

  def run() -> dict[str, Any]:
    result = benchmarks.run(argv[1:], values, given)
    return {**result, "rounds": values["rounds"]}

  if argv[1:] == ["all"]:  # Each of them has a record.
    result = run()
  else:
    shown = {k: values[k] for k in ("against", "rounds", "dataset")}
    shown = {k: v for k, v in shown.items() if k in given}
    command = cli.command("launch.benchmark", *argv[1:], **shown)
    result = recording.measure(run, command, folder, _DESPITE_LOAD.value)
  if _JSON.value:
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
