"""Makes the tables and figures in results/ from the records alone.

  python -m launch.report

or `python -m launch.report all` makes everything: the generated sections of
results/README.md, runs.md, readouts.md, speed.md, *.csv, figures/ and the page
report.html.

  python -m launch.report table2

makes one section, with its figures and tables, and prints it; an unknown name
is answered with a list of the sections.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_RESULTS_DIR = flags.DEFINE_string(
  "results_dir",
  "results",
  "Folder of the results: the records in its subfolder records/ are read, and"
  " tables and figures are written to it.",
)


def main(argv: Sequence[str]) -> None:
  """Makes the report that the one positional argument names."""
  from gnn_readout.report import build, terminal

  name = " ".join(argv[1:]) or "all"
  if name == "all":
    build.write_all(_RESULTS_DIR.value)
    return
  terminal.show(build.write(_RESULTS_DIR.value, name))


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
