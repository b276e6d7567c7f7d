"""The rows of a task."""

from __future__ import annotations

import statistics

import pytest

from gnn_readout.report.results import tasks


def test_rows_are_sorted_and_scored_on_test(medians):
  # Tests of the other rate are better: they must not matter.
  for record in medians:
    if record["config"]["optimizer"]["learning_rate"] == 1e-3:
      record["test"]["value"] = 1e-9
  rows = tasks.rows(medians, "median")
  assert [(tasks.label(row), tasks.width(row)) for row in rows] == [
    ("equilibrium", 8),
    ("equilibrium", 32),
    ("sum", 8),
    ("sum", 32),
  ]
  row = rows[2]
  assert row.learning_rate == 1e-4
  assert [run["seed"] for run in row.runs] == [0, 1, 2]
  values = [2 / 8 + 1e-4, 3 / 8 + 1e-4, 4 / 8 + 1e-4]
  assert row.tests == pytest.approx(values)
  assert statistics.stdev(row.tests) == pytest.approx(1 / 8)
  assert row.best["seed"] == 0


def test_squared_outputs_have_a_row_of_their_own(task):
  plain, squared = task(readout="equilibrium"), task(readout="equilibrium")
  for record, how in ((plain, "none"), (squared, "sum")):
    record["config"]["model"]["readout"]["square_reduction"] = how
  labels = [tasks.label(row) for row in tasks.rows([squared, plain], "median")]
  assert labels == ["equilibrium", "equilibrium, squared"]


def test_records_of_other_tasks_are_left_out(medians, task, molecule, crossval):
  other = task(problem="omniglot")
  records = [*medians, other, molecule(), crossval()]
  rows = tasks.rows(records, "median")
  assert len(rows) == 4
  assert all(r["problem"] == "median" for row in rows for r in row.runs)
  (row,) = tasks.rows(records, "omniglot")
  assert list(row.runs) == [other]
