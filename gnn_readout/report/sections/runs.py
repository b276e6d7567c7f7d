"""Every run with its command: results/runs.md, and tables for a spreadsheet."""

from __future__ import annotations

import os
import pathlib

from gnn_readout.records import NoRecordsError
from gnn_readout.report import markup
from gnn_readout.report.blocks import Section, Table
from gnn_readout.report.results import molecules as tables
from gnn_readout.report.sections import tu

NAME = "runs"
COMMAND = (
  "python -m launch.train --config=configs/molpcba.py:gcn,sum"
  " --workdir=runs/gcn_sum"
)


def section(results_dir: str | os.PathLike[str]) -> Section:
  """Makes the tables of all runs of molecule datasets and cross-validations.

  Args:
    results_dir: The folder that holds `records`.

  Raises:
    ValueError: If there is no record of either, or a damaged one.
  """
  molecules = tables.molecule_rows(tables.read_records(results_dir))
  crossvals = tu.rows(tu.read_records(results_dir))
  if not molecules and not crossvals:
    folder = pathlib.Path(results_dir, "records")
    raise NoRecordsError("run records", folder, COMMAND)
  blocks = [
    "Rows differ in more than the seed. Deviations are sample deviations over"
    " the seeds."
  ]
  files = {}
  if molecules:
    rows = [tables.display(row) for row in molecules]
    blocks.append(Table("Molecule datasets", rows))
    files["molecules.csv"] = markup.csv_table(molecules)
  if crossvals:
    rows = [tu.display_long(row) for row in crossvals]
    blocks.append(Table("Cross-validation on the TU collection", rows))
  return Section(NAME, "All runs", blocks, files)
