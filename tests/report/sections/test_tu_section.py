"""Table 5.10: what is compared, and what is said of it."""

from __future__ import annotations

import csv
import io

import pytest

from gnn_readout.report.blocks import Figure, File, Section, Table, markdown
from gnn_readout.report.results import crossvals, published
from gnn_readout.report.sections import tu

TESTS = [[0.8, 0.9], [0.84, 0.88]]


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
  (row,) = tu.pair_rows(crossvals.runs([*others, base]))
  assert (row["first"], row["second"]) == ("GIN-Base", "FSPool")
  assert row["finding"] == "no significant difference"
  assert row["folds won / tied / lost by the second"] == "0 / 2 / 0"


def test_what_a_comparison_finds(crossval):
  low = [[0.5 + 0.01 * k for k in range(7)]]
  high = [[0.6 + 0.02 * k for k in range(7)]]
  records = [crossval(tests=high), crossval(readout="fspool", tests=low)]
  (row,) = tu.pair_rows(crossvals.runs(records))
  assert row["finding"] == "GIN-Base is ahead of FSPool"
  assert row["mean difference"] == "-13.00"
  assert row["95% confidence interval"] == "[-15.94, -10.06]"
  assert row["p"] == row["p, corrected"] == "0.000"
  records[0]["repeats"][0]["folds_hash"] = "other"
  (other,) = tu.pair_rows(crossvals.runs(records))
  assert "the splits of the two are not the same" in other["finding"]
  assert set(other) == set(row)


def test_pairs_of_a_dataset_are_corrected_together(crossval):
  base = [0.50, 0.61, 0.52, 0.63, 0.54]
  near = [x + d for x, d in zip(base, (0.06, 0.07, 0.02, 0.05, 0.03))]
  # Of another dataset: no part of the family.
  elsewhere = [
    crossval(dataset="tu/NCI1", tests=[x], readout=name)
    for name, x in (("sum", base), ("fspool", near))
  ]
  (alone,) = tu.pair_rows(crossvals.runs(elsewhere))
  assert alone["p"] == alone["p, corrected"]
  assert alone["finding"] == "FSPool is ahead of GIN-Base"
  three = [
    crossval(tests=[x], readout=name)
    for name, x in (("sum", base), ("fspool", near), ("max", base))
  ]
  rows = tu.pair_rows(crossvals.runs([*three, *elsewhere]))
  (other,) = (row for row in rows if row["dataset"] == "NCI1")
  assert other == alone
  first = next(row for row in rows if row["dataset"] == "MUTAG")
  assert first["p"] == alone["p"]
  assert float(first["p, corrected"]) > float(alone["p, corrected"])
  assert first["finding"] == "no significant difference"


def test_a_single_fold_is_not_compared(crossval):
  records = [crossval(readout=r, tests=[[0.5]]) for r in ("sum", "fspool")]
  (row,) = tu.pair_rows(crossvals.runs(records))
  assert row["finding"] == "not compared: a single fold"


def test_across_datasets(crossval):
  def both(name, gap):
    base = published.base_readout(name)
    return [
      crossval(name, base, [[0.5, 0.5]]),
      crossval(name, "fspool", [[0.5 + gap, 0.5]]),
    ]

  names = published.tu_datasets()
  few = [r for n, name in enumerate(names[:5]) for r in both(name, 0.01 + n)]
  said = tu.across_datasets(few)
  assert "FSPool is ahead of GIN-Base on 5 of 5 datasets. Fewer than 6" in said
  said = tu.across_datasets([*few, *both(names[5], -0.3)])
  assert "on 5 of 6 datasets, p = 0.094" in said  # 2 (1 + 1 + 1) / 2^6, rank 2.
  assert "no dataset has both" in tu.across_datasets(few[:1])


def test_the_section(crossval):
  records = [crossval(tests=TESTS), crossval(readout="fspool", tests=TESTS)]
  blocks = tu.make(records)
  text = markdown(Section("tu", "title", blocks))
  assert "| MUTAG | GIN | sum (GIN-Base) | fspool2019 | 85.5 ± 0.7 |" in text
  assert "figures/tu_accuracy.png" in text
  assert "Paired comparison over folds" in text
  assert [type(block) for block in blocks] == [
    str, Figure, Table, str, Table, str, File
  ]  # fmt: skip
  rows = list(csv.DictReader(io.StringIO(blocks[-1].text)))
  assert [row["readout"] for row in rows] == ["sum", "fspool"]
  assert float(rows[0]["test"]) == pytest.approx(0.855)
  assert rows[0]["command"] == records[0]["command"]


def test_nothing_to_report(molecule):
  assert tu.make([molecule()]) == []
