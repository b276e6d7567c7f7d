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

import json
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
  from gnn_readout.report import reports

  name = " ".join(argv[1:]) or "all"
  results = pathlib.Path(_RESULTS_DIR.value)
  whole = {"all": _all, "readouts": _readouts}
  if name in whole:
    whole[name](results)
  elif name in reports.SECTIONS:
    _show(reports.write(results, name))
  else:
    known = suggest(name, [*whole, *reports.SECTIONS])
    raise ValueError(f"unknown report {name!r}.{known}")


def _all(results: pathlib.Path) -> None:
  from gnn_readout.report import reports

  reports.write_all(results)
  path = results / "readouts.json"
  if path.exists():
    from gnn_readout import files
    from launch.benchmarks import readout_card

    try:
      text = readout_card.markdown(json.loads(path.read_text()))
    except KeyError as error:
      raise ValueError(
        f"{path}: field {error} is missing; measure again:"
        " python -m launch.report readouts"
      ) from error
    files.atomic_write_text(results / "readouts.md", text)


def _readouts(results: pathlib.Path) -> None:
  from launch.benchmarks import readout_card

  readout_card.write(results, _DATA_DIR.value)


def _show(section) -> None:
  """Prints a section, without the columns that are too wide for it."""
  import rich.console
  import rich.table

  console = rich.console.Console()
  console.width = console.width if console.is_terminal else 240
  for block in section.blocks:
    if isinstance(block, str):
      console.print(block, markup=False, highlight=False)
    elif hasattr(block, "rows"):
      hidden = ("command", "note", "parameters", "train / valid / test")
      titles = [title for title in block.rows[0] if title not in hidden]
      table = rich.table.Table(*titles, box=None, title=block.caption)
      for row in block.rows:
        table.add_row(*(row[title] for title in titles))
      console.print(table)


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
