"""Tables and sentences of tasks from synthetic records."""

from __future__ import annotations

import csv
import io

from gnn_readout.report.blocks import Figure, File, Table
from gnn_readout.report.results.tasks import rows
from gnn_readout.report.sections import tasks


def test_what_a_reader_sees(medians):
  shown = [tasks.display(row) for row in rows(medians, "median")]
  assert len({tuple(row) for row in shown}) == 1
  assert shown[3] == {
    "readout": "sum",
    "D": "32",
    "learning rate": "0.0001",
    "seeds": "3",
    "failed": "0",
    "test mse": "0.0938 ± 0.031",
    "test mse, best seed": "0.0626 (seed 0)",
    "valid mse": "0.0626",
    "steps": "1,009",
    "batch size": "64",
    "parameters": "4,321",
    "note": "short",
    "command": medians[0]["command"],
  }


def test_a_single_run_has_no_deviation(task, failed):
  (row,) = rows([task(0, 1e-3), failed(seed=1)], "median")
  assert tasks.display(row)["test mse"] == "0.11"


def test_the_section(medians):
  text, figure, table, *said, file = tasks.median(medians)
  assert "[median.csv](median.csv)" in text
  assert isinstance(figure, Figure) and isinstance(table, Table)
  assert figure.data["png"].startswith(b"\x89PNG")
  assert "command" not in table.rows[0]
  assert said == [
    *tasks.statement(rows(medians, "median")),
    "Reduced settings of `equilibrium`, `sum`: short.",
  ]
  assert isinstance(file, File)
  lines = list(csv.DictReader(io.StringIO(file.text)))
  assert lines == [tasks.display(row) for row in rows(medians, "median")]
  assert tasks.median(medians)[1] == figure


def test_another_task(task, medians):
  record = task(problem="omniglot")
  record["config"]["sets"] = {"num_classes": 4, "set_size": 7}
  blocks = tasks.omniglot([*medians, record])
  assert blocks[0].startswith(
    "Each set holds 7 drawings of one to 4 characters,"
  )
  assert "guessing is right with probability 0.25." in blocks[0]
  assert blocks[1].name == "omniglot_curves"
  assert len(blocks[2].rows) == 1


def test_nothing_to_report(molecule, failed):
  assert tasks.median([molecule(), failed()]) == []
  assert tasks.omniglot([molecule(), failed()]) == []


def test_the_sentence_compares_with_equilibrium(task):
  def runs(readout, values, width=8):
    return [
      task(seed, readout=readout, width=width, test=value)
      for seed, value in enumerate(values)
    ]

  found = rows(
    runs("equilibrium", [0.1, 0.3])
    + runs("attention", [0.3, 0.2])
    + runs("sum", [7.9, 8.1])
    + runs("sum", [5.0], width=32)
    + runs("equilibrium", [2.0], width=32),
    "median",
  )
  (sentence,) = tasks.statement(found)
  assert sentence == (
    "Test mse relative to equilibrium: attention 1.25x (D = 8, not"
    " significant); sum 40x (D = 8). A difference is not significant if"
    " Student's t test of the seeds has p >= 0.05 after Holm's correction for"
    " 2 comparisons."
  )
  assert tasks.statement(rows(runs("sum", [1.0, 2.0]), "median")) == []


def test_only_runs_of_one_length_are_compared(task):
  def longer(seed, **fields):
    record = task(seed, **fields) | {"steps": 3001}
    record["config"] |= {"num_steps": 3001}
    record["config"]["optimizer"]["schedule"] = "cosine"
    return record

  found = rows(
    [
      make(seed, readout=readout, test=test * (1 + seed / 100))
      for make, readout, test in (
        (task, "equilibrium", 0.1),
        (task, "sum", 0.3),
        (longer, "equilibrium", 0.05),
        (longer, "attention", 0.2),
      )
      for seed in range(2)
    ],
    "median",
  )
  (said,) = tasks.statement(found)
  assert said.startswith(
    "Test mse relative to equilibrium: attention 4.00x (D = 8, 3,001 steps);"
    " sum 3.00x (D = 8, 1,009 steps). A difference is not significant if"
  )
  rates = [tasks.display(row)["learning rate"] for row in found]
  assert rates == ["0.001, cosine", "0.001", "0.001, cosine", "0.001"]


def test_scores_are_compared_in_points(task):
  records = [
    task(seed, readout=name, width=8, test=value, lower_is_better=False)
    for name, values in (("equilibrium", (0.5, 0.52)), ("sum", (0.4, 0.42)))
    for seed, value in enumerate(values)
  ]
  found = rows(records, "median")
  assert ": sum -10.0 points (D = 8)" in tasks.statement(found)[0]
