"""README's figure shows what the records say."""

from __future__ import annotations

import json
import re
import statistics

import pytest

from documentation import cost_figure
from documentation.readout_pages import ROOT, costs
from gnn_readout.report.sections import readouts


def _records(pattern: str) -> list[dict]:
  files = sorted((ROOT / "results" / "records").glob(pattern))
  return [json.loads(path.read_text()) for path in files]


@pytest.mark.parametrize(
  ("dataset", "readout"),
  [("tox21", "equilibrium"), ("toxcast", "pna"), ("toxcast", "sum")],
)
def test_the_committed_figure_has_the_values_of_the_records(dataset, readout):
  runs = _records(f"{dataset}_w128_gcn_{readout}_1e-3_[0-9].json")
  assert len(runs) == 3
  score = statistics.fmean(run["test"]["value"] for run in runs)
  (record,) = _records("readouts.json")
  times = {row["name"]: row["training"] for row in record["rows"]}
  svg = (ROOT / "docs" / "images" / "cost_and_score.svg").read_text()
  shown = [
    (float(cost.replace(",", "")), float(value))
    for cost, value in re.findall(
      r"<title>[^<]*sum ([\d.,]+), ([\d.]+)</title>", svg
    )
  ]
  wanted = (times[readout] / times["sum"], score)
  assert any(
    pair == pytest.approx(wanted, rel=2e-3) for pair in shown
  ), (wanted, shown)  # fmt: skip


def test_a_row_without_several_seeds_is_not_drawn():
  rows = cost_figure.rows()
  assert set(rows) == {"ogbg-moltox21", "ogbg-moltoxcast"}
  assert all(len(row.runs) >= 2 for several in rows.values() for row in several)
  assert readouts.costs(costs())["sum"] == 1
