"""Fetches a dataset into the data folder.

python -m launch.download --dataset=ogbg-molpcba --data_dir=data
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_DATASET = flags.DEFINE_string(
  "dataset", None, "Fetch this one, such as ogbg-molpcba.", required=True
)
_DATA_DIR = cli.define_data_dir()
_URL = flags.DEFINE_string(
  "url", None, "Fetch from this folder of a mirror, not the dataset's server."
)
_MAX_UNPACKED_GB = flags.DEFINE_float(
  "max_unpacked_gb", 4.0, "Refuse a zip that claims to unpack to more.", 0.0
)


def main(argv: Sequence[str]) -> None:
  """Fetches what the flags name."""
  del argv
  from gnn_readout.data import folders
  from gnn_readout.data.sources import download

  download.download(
    _DATASET.value,
    folders.data_folder(_DATA_DIR.value),
    base_url=_URL.value,
    max_unpacked=_MAX_UNPACKED_GB.value * 2**30,
  )


if __name__ == "__main__":
  cli.run(main)
