"""Makes the tables and figures in results/ from the run records alone.

  python -m launch.report

rewrites the generated sections of results/README.md, results/molecules.csv and
results/figures/.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

_RESULTS_DIR = flags.DEFINE_string(
  "results_dir", "results", "Folder with records/ in it; takes the rest."
)


def main(argv: Sequence[str]) -> None:
  """Reads the records, writes tables and figures, prints the tables."""
  del argv
  import rich.console
  import rich.table

  from gnn_readout import files
  from gnn_readout.report import plots, tables

  results = pathlib.Path(_RESULTS_DIR.value)
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
  hidden = ("note", "command")
  titles = [title for title in rows[0] if title not in hidden]
  table = rich.table.Table(*titles, box=None)
  for row in rows:
    table.add_row(*(row[title] for title in titles))
  console = rich.console.Console()
  console.width = console.width if console.is_terminal else 200
  console.print(table)


if __name__ == "__main__":
  cli.run(main)
