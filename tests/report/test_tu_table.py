"""Cross-validations beside table 5.10."""

from __future__ import annotations

import csv
import io
import json
import random
import statistics

import pytest

from gnn_readout.records import NoRecordsError
from gnn_readout.report import blocks as sections
from gnn_readout.report.figures import style as figures
from gnn_readout.report.figures import tu as tu_plots
from gnn_readout.report.results import published as paper
from gnn_readout.report.sections import tu

TESTS = [[0.8, 0.9], [0.84, 0.88]]


def test_published_numbers_as_printed():
  assert paper.tu("tu/COLLAB", "gin", "fspool")[:4] == (0.8, 0.004, 124, 56)
  assert paper.tu("tu/REDDIT-MULTI-5K", "gin", "mean")[:2] == (0.481, 0.02)
  assert paper.tu("tu/PTC_MR", "gin0", "sum")[:3] == (0.646, None, None)
  assert paper.tu("tu/MUTAG", "gin", "mean") is None
  assert paper.tu("tu/MUTAG", "gin0", "fspool") is None
  assert paper.tu("tu/ENZYMES", "gin", "sum") is None
  assert paper.tu_size("tu/NCI1", "gin") == (500, 8)
  assert paper.tu_size("tu/COLLAB", "gin") == (250, 4)
  assert paper.tu_size("tu/COLLAB", "gin0") == (350, 4)
  assert paper.tu_size("tu/ENZYMES", "gin") is None


def test_published_means_are_those_of_the_paper():
  # Xu et al.'s own numbers, of configs/tu.py and many later papers.
  gin0 = {"tu/IMDB-BINARY": 75.1, "tu/REDDIT-BINARY": 92.4, "tu/MUTAG": 89.4,
          "tu/PROTEINS": 76.2, "tu/NCI1": 82.7}  # fmt: skip
  for name, percent in gin0.items():
    found = paper.tu(name, "gin0", paper.base_readout(name))
    assert found.accuracy == pytest.approx(percent / 100)


def test_what_a_row_says(crossval):
  record = crossval(
    tests=TESTS, epochs=100.0, points=4, chosen_epochs=[40, 60], note="short"
  )
  (row,) = tu.rows([record])
  assert tu.display(row) == {
    "dataset": "MUTAG",
    "model": "GIN",
    "readout": "sum (GIN-Base)",
    "protocol": "fspool2019",
    "test": "85.5 ± 0.7",
    "over": "2 repeats",
    "published": "85.0 ± 1.5",
    "apart, in published deviations": "+0.3",
    "epochs to converge": "50 ± 14",
    "published epochs": "244 ± 95",
    "points x folds x repeats x epochs": "4 x 2 x 2 x 100",
    "reduced": "2 of 10 repeats; 100 of 500 epochs; 4 of 8 points; short",
    "minutes": "1.5",
  }
  more = tu.display_long(row)
  assert more["command"] == record["command"]
  assert "table 5.10" in more["source of the published"]


def test_what_is_far_from_the_published_number_is_flagged(crossval):
  (row,) = tu.rows([crossval(tests=[[0.8, 0.81]])])
  away = (0.805 - 0.85) / 0.015
  assert row["difference_in_deviations"] == pytest.approx(away, abs=1e-3)
  shown = tu.display(row)
  assert shown["apart, in published deviations"] == "-3.0, more than two"
  assert (shown["test"], shown["over"]) == ("80.5", "1 repeat")


def test_another_protocol_has_no_published_number_of_this_one(crossval):
  (row,) = tu.rows([crossval(protocol="gin2019", epochs=3.0)])
  shown = tu.display(row)
  assert (shown["published"], shown["reduced"]) == ("", "")
  assert shown["protocol"] == "gin2019, selected on test"
  (row,) = tu.rows(
    [crossval(protocol="gin2019", head="layerwise", epochs=350.0)]
  )
  shown = tu.display(row)
  assert (shown["model"], shown["published"]) == ("GIN-0", "89.4")
  assert (shown["test"], shown["over"]) == ("85.0 ± 7.1", "2 folds")
  assert shown["apart, in published deviations"] == ""


def test_rows_are_in_the_order_of_the_table(crossval):
  keys = [
    ("tu/COLLAB", "mean"), ("tu/COLLAB", "fspool"),
    ("tu/MUTAG", "sum"), ("tu/MUTAG", "fspool"), ("tu/MUTAG", "equilibrium"),
    ("tu/MUTAG", "mean"), ("tu/ENZYMES", "fspool"), ("tu/ENZYMES", "sum"),
  ]  # fmt: skip
  records = [crossval(dataset, readout) for dataset, readout in keys]
  random.Random(0).shuffle(records)
  found = [(row["dataset"], row["readout"]) for row in tu.rows(records)]
  assert found == keys


def test_only_the_readout_may_differ_in_a_pair(crossval):
  base = crossval()
  others = [
    crossval(readout="fspool"),
    crossval(readout="mean", epochs=7.0),
    crossval(readout="max", points=3),
    crossval(readout="max", protocol="gin2019"),
    crossval(readout="max", head="layerwise"),
    crossval(readout="mean", dataset="tu/NCI1"),
  ]
  (row,) = tu.pairs([*others, base])
  assert (row["first"], row["second"]) == ("GIN-Base", "FSPool")
  assert row["finding"] == "no difference shown"
  assert row["second better, level, worse"] == "0, 2, 0"


def test_what_a_comparison_finds(crossval):
  low = [[0.5 + 0.01 * k for k in range(7)]]
  high = [[0.6 + 0.02 * k for k in range(7)]]
  records = [crossval(tests=high), crossval(readout="fspool", tests=low)]
  (row,) = tu.pairs(records)
  assert row["finding"] == "GIN-Base is ahead of FSPool"
  assert row["mean difference"] == "-13.00"
  assert row["p, all folds"] == row["p, one repeat"] == "0.016"
  records[0]["repeats"][0]["folds_hash"] = "other"
  (other,) = tu.pairs(records)
  assert "the splits of the two are not the same" in other["finding"]
  assert set(other) == set(row)


def test_across_datasets(crossval):
  def both(name, gap):
    base = paper.base_readout(name)
    return [
      crossval(name, base, [[0.5, 0.5]]),
      crossval(name, "fspool", [[0.5 + gap, 0.5]]),
    ]

  names = paper.TU_DATASETS
  few = [r for n, name in enumerate(names[:5]) for r in both(name, 0.01 + n)]
  said = tu.across_datasets(few)
  assert "FSPool is ahead of GIN-Base on 5 of 5. Fewer than 6" in said
  said = tu.across_datasets([*few, *both(names[5], -0.3)])
  assert "on 5 of 6, p = 0.094" in said  # 2 (1 + 1 + 1) / 2^6, rank 2.
  assert "no dataset has both" in tu.across_datasets(few[:1])


def test_the_section(crossval, write_records):
  records = [crossval(tests=TESTS), crossval(readout="fspool", tests=TESTS)]
  results = write_records(records, "tu")
  section = tu.section(results)
  text = sections.markdown(section)
  assert "| MUTAG | GIN | sum (GIN-Base) | fspool2019 | 85.5 ± 0.7 |" in text
  assert "figures/tu_accuracy.png" in text
  assert "Paired comparison over folds" in text
  rows = list(csv.DictReader(io.StringIO(section.files["tu.csv"])))
  assert [row["readout"] for row in rows] == ["sum", "fspool"]
  assert float(rows[0]["test"]) == pytest.approx(0.855)
  assert rows[0]["command"] == records[0]["command"]


def test_nothing_to_report(tmp_path):
  with pytest.raises(NoRecordsError, match="python -m launch.crossval"):
    tu.section(tmp_path)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda r: r["repeats"][1].pop("folds_hash"),
     "field 'repeats.1.folds_hash' is missing"),
    (lambda r: r["repeats"][0]["tests"].pop(),
     "field 'repeats.0.tests' has 1 elements, the protocol in it has 2"),
    (lambda r: r["repeats"][0]["tests"].__setitem__(1, "high"),
     "field 'repeats.0.tests.1' cannot be 'high'"),
    (lambda r: r["repeats"].pop(),
     "field 'repeats' has 1 elements, the protocol in it has 2"),
    (lambda r: r["protocol"].pop("selected_on"),
     "field 'protocol.selected_on' is missing"),
    (lambda r: r.update(schema_version=3), "newer than this program's 2"),
  ],
)  # fmt: skip
def test_a_damaged_record(crossval, write_records, change, message):
  record = crossval(tests=TESTS)
  change(record)
  results = write_records([record], "tu")
  with pytest.raises(ValueError, match=rf"fspool2019\.json: .*{message}"):
    tu.read_records(results)


def test_the_same_cross_validation_twice(crossval, write_records):
  results = write_records([crossval(), crossval() | {"name": "copy"}], "tu")
  with pytest.raises(ValueError, match=r"copy\.json is the same cross-v"):
    tu.read_records(results)


def test_bars_have_our_means_and_the_published_ones(crossval, monkeypatch):
  made, real = [], figures.empty
  monkeypatch.setattr(
    figures, "empty", lambda height: made.append(real(height)) or made[-1]
  )
  records = [
    crossval(tests=TESTS),
    crossval(readout="equilibrium", tests=[[0.5, 0.7]]),
    crossval("tu/NCI1", "fspool", [[0.6, 0.7]]),
  ]
  data = tu_plots.bars(tu.rows(records))
  (axes,) = made[0].axes
  heights = [bar.get_height() for bar in axes.patches]
  assert heights == pytest.approx([85.5, 60, 65])
  (error,) = [c for c in axes.containers if getattr(c, "errorbar", None)]
  (segment,) = error.errorbar.lines[2][0].get_segments()
  deviation = 100 * statistics.stdev(statistics.fmean(row) for row in TESTS)
  assert segment[1][1] - segment[0][1] == pytest.approx(2 * deviation, abs=1e-3)
  published = [line.get_ydata()[0] for line in axes.lines]
  assert published == pytest.approx([85.0, 79.2])
  assert b"<title>MUTAG, sum: 85.5 \xc2\xb1 0.7</title>" in data["svg"]
  assert data == tu_plots.bars(tu.rows(records))
  json.dumps(tu.rows(records))  # Plain values.
