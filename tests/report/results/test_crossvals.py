"""Cross-validations beside table 5.10: rows, their order, pairs."""

from __future__ import annotations

import json
import random

import pytest

from gnn_readout.report.results import crossvals

TESTS = [[0.8, 0.9], [0.84, 0.88]]


def test_what_a_row_says(crossval):
  record = crossval(
    tests=TESTS, epochs=100.0, points=4, epochs_to_best=[40, 60], note="short"
  )
  (row,) = crossvals.rows([record])
  assert crossvals.display(row) == {
    "dataset": "MUTAG",
    "model": "GIN",
    "readout": "sum (GIN-Base)",
    "protocol": "fspool2019",
    "test": "85.5 ± 0.7",
    "mean over": "2 repeats",
    "published": "85.0 ± 1.5",
    "difference / published std": "+0.3",
    "epochs to converge": "50 ± 14",
    "published epochs": "244 ± 95",
    "grid points x folds x repeats x epochs": "4 x 2 x 2 x 100",
    "reduced": "2 of 10 repeats; 100 of 500 epochs; 4 of 8 points; short",
  }
  more = crossvals.display_long(row)
  assert more["command"] == record["command"]
  assert "table 5.10" in more["source of the published number"]


def test_how_far_the_published_number_is(crossval):
  (row,) = crossvals.rows([crossval(tests=[[0.8, 0.81]])])
  away = (0.805 - 0.85) / 0.015
  assert row["difference_in_deviations"] == pytest.approx(away, abs=1e-3)
  shown = crossvals.display(row)
  assert shown["difference / published std"] == "-3.0"
  assert (shown["test"], shown["mean over"]) == ("80.5", "1 repeat")


def test_another_eps_is_another_model(crossval):
  record = crossval()
  record["config"]["model"]["message_passing"] = {"eps": "inputs"}
  (row,) = crossvals.rows([record])
  assert crossvals.display(row)["model"] == "GIN, eps = inputs"
  assert crossvals.setting(record) == "GIN, eps = inputs, fspool2019"
  assert crossvals.pairs([record, crossval(readout="fspool")]) == []


def test_another_protocol_has_no_published_number_of_this_one(crossval):
  (row,) = crossvals.rows([crossval(protocol="gin2019", epochs=3.0)])
  shown = crossvals.display(row)
  assert (shown["published"], shown["reduced"]) == ("", "")
  assert shown["protocol"] == "gin2019, selected on test"
  (row,) = crossvals.rows(
    [crossval(protocol="gin2019", head="layerwise", epochs=350.0)]
  )
  shown = crossvals.display(row)
  assert (shown["model"], shown["published"]) == ("GIN-0", "89.4")
  assert (shown["test"], shown["mean over"]) == ("85.0 ± 7.1", "2 folds")
  assert shown["difference / published std"] == ""


def test_rows_are_in_the_order_of_the_table(crossval):
  keys = [
    ("tu/COLLAB", "mean"), ("tu/COLLAB", "fspool"),
    ("tu/MUTAG", "sum"), ("tu/MUTAG", "fspool"), ("tu/MUTAG", "equilibrium"),
    ("tu/MUTAG", "mean"), ("tu/ENZYMES", "fspool"), ("tu/ENZYMES", "sum"),
  ]  # fmt: skip
  records = [crossval(dataset, readout) for dataset, readout in keys]
  random.Random(0).shuffle(records)
  found = [(row["dataset"], row["readout"]) for row in _rows(records)]
  assert found == keys
  json.dumps(_rows(records))  # Plain values.


def _rows(records):
  return crossvals.rows(crossvals.runs(records))


def test_only_the_readout_may_differ_in_a_pair(crossval):
  base, fspool = crossval(), crossval(readout="fspool")
  others = [
    crossval(readout="mean", epochs=7.0),
    crossval(readout="max", points=3),
    crossval(readout="max", protocol="gin2019"),
    crossval(readout="max", head="layerwise"),
    crossval(readout="mean", dataset="tu/NCI1"),
  ]
  runs = crossvals.runs([fspool, *others, base])
  assert crossvals.pairs(runs) == [(base, fspool)]


def test_more_repeats_of_the_one_are_a_pair_all_the_same(crossval):
  base = crossval(tests=((0.8, 0.9), (0.7, 0.8)))
  fspool = crossval(readout="fspool")
  for record in (base, fspool):
    record["config"]["repeats"] = len(record["repeats"])
  assert crossvals.pairs([base, fspool]) == [(base, fspool)]
