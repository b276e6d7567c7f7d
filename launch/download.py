"""Fetches a dataset into the data folder, and packs it for other machines.

python -m launch.download --dataset=ogbg-molpcba --data_dir=data
python -m launch.download --dataset=ogbg-molpcba --data_dir=data --pack

Packing writes one file to DATA_DIR/packed, or beside a CSV file. Copied to the
same place on another machine, that file stands for the dataset.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_DATASET = flags.DEFINE_string(
  "dataset", None, "Download this dataset, such as ogbg-molpcba.", required=True
)
_DATA_DIR = cli.define_data_dir()
_URL = flags.DEFINE_string(
  "url",
  None,
  "Download from this folder of a mirror (default: the dataset's own server).",
)
_PACK = flags.DEFINE_bool(
  "pack", False, "Also write the dataset's columns as one compressed file."
)
_CACHE_DIR = cli.define_cache_dir()
_MAX_UNPACKED_GB = flags.DEFINE_float(
  "max_unpacked_gb",
  4.0,
  "Refuse a zip that would unpack to more than this many GiB.",
  0.0,
)


def main(argv: Sequence[str]) -> None:
  """Fetches what the flags name."""
  del argv
  from gnn_readout import data
  from gnn_readout.data import folders, sources
  from gnn_readout.data.sources import download

  data_dir = folders.data_folder(_DATA_DIR.value)
  if not (_PACK.value and sources.is_there(_DATASET.value, data_dir)):
    download.download(
      _DATASET.value,
      data_dir,
      base_url=_URL.value,
      max_unpacked=_MAX_UNPACKED_GB.value * 2**30,
    )
  if _PACK.value:
    file = data.pack(_DATASET.value, data_dir, _CACHE_DIR.value)
    print(f"packed as {file}, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
  cli.run(main)
