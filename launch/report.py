"""Makes the tables and figures in results/.

  python -m launch.report

rewrites the generated sections of results/README.md, results/molecules.csv and
results/figures/ from the run records alone.

  python -m launch.report median
  python -m launch.report omniglot

rewrite the section and the figure of a task from results/records/tasks/.

  python -m launch.report readouts

measures every readout by itself and writes results/readouts.md.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

_RESULTS_DIR = flags.DEFINE_string(
  "results_dir", "results", "Folder with records/ in it; takes the rest."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Datasets, for `readouts`.")


def main(argv: Sequence[str]) -> None:
  """Makes the report that the one positional argument names."""
  from gnn_readout.errors import suggest

  name = " ".join(argv[1:]) or "molecules"
  if name not in _REPORTS:
    raise ValueError(f"unknown report {name!r}.{suggest(name, _REPORTS)}")
  _REPORTS[name](pathlib.Path(_RESULTS_DIR.value))


def _molecules(results: pathlib.Path) -> None:
  """Reads the records, writes tables and figures, prints the tables."""
  import rich.console
  import rich.table

  from gnn_readout import files
  from gnn_readout.report import plots, tables

  records = tables.read_records(results)
  if not records:
    raise ValueError(
      f"no run records in {results / 'records'}; a finished run writes one:"
      " python -m launch.train --config=configs/molpcba.py:gcn,sum"
      " --workdir=runs/gcn_sum"
    )
  markdown, csv = tables.molecule_table(records)
  tables.write_section(results / "README.md", "molecules", markdown)
  files.atomic_write_text(results / "molecules.csv", csv)
  plots.write_figures(results, records)

  rows = [tables.display(row) for row in tables.molecule_rows(records)]
  hidden = ("train / valid / test", "parameters", "note", "command")
  titles = [title for title in rows[0] if title not in hidden]
  table = rich.table.Table(*titles, box=None)
  for row in rows:
    table.add_row(*(row[title] for title in titles))
  console = rich.console.Console()
  console.width = console.width if console.is_terminal else 240
  console.print(table)


def _readouts(results: pathlib.Path) -> None:
  """Measures the readouts and writes their card."""
  from launch.benchmarks import readout_card

  readout_card.write(results, _DATA_DIR.value)


def _task(name: str, results: pathlib.Path) -> None:
  """Writes and prints the section of a task."""
  from gnn_readout.report import tasks

  print(tasks.write(results, name))


_REPORTS = {
  "median": functools.partial(_task, "median"),
  "molecules": _molecules,
  "omniglot": functools.partial(_task, "omniglot"),
  "readouts": _readouts,
}


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
