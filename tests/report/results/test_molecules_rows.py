"""Rows from synthetic records: means, order, published levels."""

from __future__ import annotations

import csv
import io
import random

import numpy as np
import pytest

from gnn_readout.report import markup
from gnn_readout.report.results import molecules


@pytest.fixture
def record(molecule):
  """Makes a record; `a__b=c` changes record['a']['b']."""

  def make(seed: int = 0, test: float = 0.75, **changes) -> dict:
    made = molecule(
      "mean", seed, test, 0.81, dataset="ogbg-molhiv", width=300, epochs=0.98
    )
    made["config"] |= {"num_steps": 1009, "log_every": 100}
    made["note"] = "1 epoch of 100"
    for path, value in changes.items():
      *outer, last = path.split("__")
      inner = made
      for key in outer:
        inner = inner[key]
      inner[last] = value
    return made

  return make


def _table(records: list[dict]) -> tuple[str, str]:
  """All rows as Markdown and as CSV."""
  rows = molecules.rows(records)
  shown = [molecules.display(row) for row in rows]
  return markup.markdown_table(shown), markup.csv_table(rows)


def test_what_a_row_says_of_the_inner_loop(record):
  readout = {"name": "equilibrium", "num_steps": 5, "aux_weight": 0.01}
  records = [record(config__model__readout=readout), record()]
  rows = [molecules.display(row) for row in molecules.rows(records)]
  cells = [
    (row["readout"], row["inner steps"], row["auxiliary weight"])
    for row in rows
  ]
  assert cells == [("equilibrium", "5", "0.01"), ("mean", "", "")]
  assert rows[0]["learning rate"] == "0.001"


def test_seeds_of_one_configuration_become_one_row(record):
  values = [0.74, 0.77, 0.753]
  records = [record(seed, value) for seed, value in enumerate(values)]
  records[1]["config"]["log_every"] = 7  # Does not change the result.
  records[1]["config"]["population"] = ""  # Older ones do not have it.
  (row,) = molecules.rows(records)
  assert row["seeds"] == 3
  assert row["test"] == pytest.approx(np.mean(values), abs=1e-6)
  assert row["test_deviation"] == pytest.approx(
    np.std(values, ddof=1), abs=1e-6
  )
  assert (row["valid"], row["valid_deviation"]) == (0.81, 0)
  assert row["command"] == records[0]["command"]
  assert row["note"] == "1 epoch of 100"


def test_one_seed_has_no_deviation(record):
  (row,) = molecules.rows([record()])
  assert row["test_deviation"] is None
  assert molecules.display(row)["test"] == "0.7500"


@pytest.mark.parametrize(
  "change",
  [
    {"config__model__message_passing__virtual_node": True},
    {"config__model__message_passing__width": 64},
    {"config__model__readout__name": "sum"},
    {"config__num_steps": 2003},
    {"dataset__fingerprint": "bb22"},
  ],
)
def test_whatever_decides_the_result_makes_another_row(record, change):
  rows = molecules.rows([record(0), record(1, **change)])
  assert [row["seeds"] for row in rows] == [1, 1]


def test_published_levels_stand_beside_the_same_experiment_only(record):
  (row,) = molecules.rows([record()])
  assert (row["published"], row["published_deviation"]) == (0.7606, 0.0097)
  shown = molecules.display(row)["published test"]
  assert shown == "0.7606 ± 0.0097 (OGB leaderboard)"
  (virtual,) = molecules.rows(
    [record(config__model__message_passing__virtual_node=True)]
  )
  assert virtual["model"] == "gcn+virtual_node"
  assert virtual["published"] == 0.7599
  for change in (
    {"config__model__message_passing__width": 64},
    {"config__model__readout__name": "max"},
    {"dataset__name": "demo"},
  ):
    (row,) = molecules.rows([record(**change)])
    assert row["published"] is None
    assert molecules.display(row)["published test"] == ""


def test_local_aggregation_has_the_name_of_its_aggregator(record):
  made = record(dataset__name="ogbg-molpcba", test__metric="ap")
  model = made["config"]["model"]
  model["message_passing"] |= {
    "name": "aggregate",
    "aggregator": {"name": "equilibrium", "num_steps": 15},
  }
  model["readout"]["name"] = "equilibrium"
  (row,) = molecules.rows([made])
  assert row["model"] == "equilibrium"
  assert row["published"] == 0.258


def test_the_bytes_do_not_depend_on_the_order_of_records(record):
  records = [
    record(seed, 0.7 + seed / 31, config__model__readout__name=readout)
    for seed in range(5)
    for readout in ("mean", "sum", "max")
  ]
  expected = _table(records)
  for seed in range(3):
    random.Random(seed).shuffle(records)
    assert _table(records) == expected


def test_markdown_and_csv_hold_the_same_rows(record):
  note = "pipe | and\nnew line"
  records = [
    record(),
    record(1, config__model__readout__name="sum", note=note),
  ]
  markdown, text = _table(records)
  header, rule, *lines = markdown.split("\n")
  assert len(lines) == 2
  columns = header.count("|")
  for line in (rule, *lines):
    assert line.count("|") - line.count("\\|") == columns
  assert "pipe \\| and new line" in lines[1]
  rows = list(csv.DictReader(io.StringIO(text)))
  assert [row["readout"] for row in rows] == ["mean", "sum"]
  assert rows[1]["note"] == note
  assert rows[0]["test_deviation"] == ""


def test_a_run_without_a_score_has_no_row(record):
  failed = record(1) | {"best": None, "test": None, "failure": "step 3"}
  (row,) = molecules.rows([record(), failed])
  assert row["seeds"] == 1


def test_runs_are_those_on_graphs(record, task, crossval, card):
  runs = [record(1), record(0)]
  assert molecules.runs([task(), runs[0], crossval(), card(), runs[1]]) == runs


def test_what_is_reduced(molecule):
  assert molecules.reduced(molecule()) == "width 128 of 300, 20 of 100 epochs"
  assert molecules.reduced(molecule(), width=None) == "20 of 100 epochs"
  assert molecules.reduced(molecule(width=300, epochs=100.0)) == ""
