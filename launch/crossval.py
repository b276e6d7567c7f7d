r"""Cross-validates a config by a named protocol; the same command resumes.

python -m launch.crossval --config=configs/tu.py:MUTAG,fspool \
  --protocol=fspool2019 --workdir=runs/tu --data_dir=DATA

All folds and points of the grid that have the same shapes train at once. The
result is WORKDIR/DATASET-READOUT-PROTOCOL/record.json. SIGTERM, Ctrl-C and a
closed terminal save the progress and exit with status 0; the same command
resumes.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli
from gnn_readout.runs import devices

_CONFIG = cli.define_config(
  "Cross-validate this config, such as configs/tu.py:MUTAG,fspool;"
  " --config.FIELD=VALUE sets one of its fields."
)
_PROTOCOL = flags.DEFINE_string(
  "protocol",
  "fspool2019",
  "Protocol of the folds, repeats and selection: fspool2019, gin2019 or"
  " errica2020.",
)
_WORKDIR = cli.define_workdir(
  "Folder of the results; cross-validations of many datasets and readouts may"
  " share it."
)
_RECORDS = flags.DEFINE_string(
  "records",
  None,
  "Copy the record to this folder, such as results/records (default: no"
  " copy is made).",
)
_DATA_DIR = cli.define_data_dir()
_CACHE_DIR = cli.define_cache_dir()


def main(argv: Sequence[str]) -> None:
  """Cross-validates what the flags name."""
  del argv
  devices.use_all_cores()
  from gnn_readout import files
  from gnn_readout.training import crossval

  record = crossval.run(
    _CONFIG.value,
    _PROTOCOL.value,
    _WORKDIR.value,
    _DATA_DIR.value,
    _CACHE_DIR.value,
    command=cli.command("launch.crossval", protocol=_PROTOCOL.value),
  )
  if record and _RECORDS.value:
    name = f"{record['name']}.json"
    text = pathlib.Path(_WORKDIR.value) / record["name"] / "record.json"
    target = pathlib.Path(_RECORDS.value) / name
    files.atomic_write_text(target, files.read_text(text))


if __name__ == "__main__":
  cli.run(main, resumes=True)
