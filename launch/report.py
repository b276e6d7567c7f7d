"""Makes the tables and figures in results/ from the run records alone.

  python -m launch.report

or `python -m launch.report all` makes everything: the generated sections of
results/README.md, runs.md, *.csv, figures/ and the page report.html.

  python -m launch.report table2|ablations|tu|median|omniglot|runs

makes one section, with its figures and tables, and prints it.

  python -m launch.report readouts

measures every readout by itself and writes results/readouts.json, of which it
and `all` make readouts.md.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_RESULTS_DIR = flags.DEFINE_string(
  "results_dir", "results", "Folder with records/ in it; takes the rest."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Datasets, for `readouts`.")


def main(argv: Sequence[str]) -> None:
  """Makes the report that the one positional argument names."""
  from gnn_readout.errors import suggest
  from gnn_readout.report import build as reports
  from gnn_readout.report import terminal

  name = " ".join(argv[1:]) or "all"
  results = pathlib.Path(_RESULTS_DIR.value)
  whole = {"all": _all, "readouts": _readouts}
  if name in whole:
    whole[name](results)
  elif name in reports.SECTIONS:
    terminal.show(reports.write(results, name))
  else:
    known = suggest(name, [*whole, *reports.SECTIONS])
    raise ValueError(f"unknown report {name!r}.{known}")


def _all(results: pathlib.Path) -> None:
  from gnn_readout.report import build as reports

  reports.write_all(results)
  if (results / "readouts.json").exists():  # Or JAX is imported for nothing.
    from benchmarks import readout_card

    readout_card.render(results)


def _readouts(results: pathlib.Path) -> None:
  from benchmarks import readout_card

  readout_card.write(results, _DATA_DIR.value)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
