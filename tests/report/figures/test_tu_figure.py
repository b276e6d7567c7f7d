"""The figure of accuracies."""

from __future__ import annotations

import statistics

import pytest

from gnn_readout.report.figures import tu
from gnn_readout.report.results import crossvals

TESTS = [[0.8, 0.9], [0.84, 0.88]]


def test_marks_are_at_our_means_and_the_published_ones(crossval, drawn):
  records = [
    crossval(tests=TESTS),
    crossval(readout="equilibrium", tests=[[0.5, 0.7]]),
    crossval("tu/NCI1", "fspool", [[0.6, 0.7]]),
  ]
  rows = crossvals.rows(records)
  data = tu.accuracies(rows)
  (axes,) = drawn[0].axes
  values = {
    line.get_label(): line.get_ydata()[0]
    for line in axes.lines
    if not line.get_label().startswith("_")
  }
  assert values == pytest.approx(
    {
      "MUTAG, sum, std 0.7": 85.5,
      "MUTAG, sum, published": 85.0,
      "MUTAG, equilibrium": 60,
      "NCI1, fspool": 65,
      "NCI1, fspool, published": 79.2,
    }
  )
  errors = [
    segment
    for container in axes.containers
    for bars in container.lines[2]
    for segment in bars.get_segments()
  ]
  deviation = 100 * statistics.stdev(statistics.fmean(row) for row in TESTS)
  lengths = [high - low for (_, low), (_, high) in errors]
  assert sorted(lengths)[1] == pytest.approx(2 * deviation, abs=1e-3)
  # On a scale on which a point is seen.
  low, high = axes.get_ylim()
  assert 50 < low < 60 and 85.5 < high < 95
  assert b"<title>MUTAG, sum, std 0.7: 85.5</title>" in data["svg"]
  assert data == tu.accuracies(rows)
