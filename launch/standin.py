r"""Writes a stand-in for ogbg-molpcba with its size and layout.

python -m launch.standin --data_dir=data --output=standin
python -m launch.train --config=configs/molpcba.py:gcn,sum --data_dir=standin \
  --workdir=runs/dry_run

It allows a dry run at full size without the real dataset: the molecules are
drawn with replacement from ogbg-molhiv, and the labels are made up. In all that
is printed and recorded its name is `ogbg-molpcba (stand-in)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_DATA_DIR = cli.define_data_dir()
_OUTPUT = flags.DEFINE_string(
  "output", None, "Write ogb/ogbg_molpcba into this folder.", required=True
)
_NUM_GRAPHS = flags.DEFINE_integer(
  "num_graphs", 437_929, "Number of graphs to write.", 10
)
_SEED = flags.DEFINE_integer(
  "seed", 0, "Random seed of the molecules and labels.", 0
)
_MISSING = flags.DEFINE_float(
  "missing", 0.6, "Fraction of the labels that are missing.", 0.0
)


def main(argv: Sequence[str]) -> None:
  """Writes what the flags name."""
  del argv
  from gnn_readout.data import folders
  from gnn_readout.data.sources import standin
  from gnn_readout.runs import progress

  total = _NUM_GRAPHS.value
  with progress.counting(total, "graphs") as show:
    folder = standin.write_standin(
      folders.data_folder(_DATA_DIR.value),
      _OUTPUT.value,
      total,
      _SEED.value,
      _MISSING.value,
      progress=show,
    )
  print(
    f"{standin.NAME} (stand-in) is ready: {folder}\nIt is not the real"
    f" dataset: {total:,} molecules were drawn from {standin.SOURCE}, and"
    " their labels are made up."
  )


if __name__ == "__main__":
  cli.run(main)
