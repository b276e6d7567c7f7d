"""Every run with its command: results/runs.md, and tables for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, File, Table
from gnn_readout.report.results import crossvals, molecules


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the tables of all runs of molecule datasets and cross-validations."""
  blocks: list[Block] = []
  if rows := molecules.rows(molecules.runs(records)):
    shown = [molecules.display(row) for row in rows]
    blocks.append(Table("Molecule datasets", shown))
    blocks.append(File("molecules.csv", markup.csv_table(rows)))
  if rows := crossvals.rows(crossvals.runs(records)):
    shown = [crossvals.display_long(row) for row in rows]
    blocks.append(Table("Cross-validation on the TU collection", shown))
  intro = (
    "Runs that differ only in the seed share a row, which gives the mean and"
    " sample standard deviation over the seeds."
  )
  return blocks and [intro, *blocks]
