"""The bars of accuracies."""

from __future__ import annotations

import statistics

import pytest

from gnn_readout.report.figures import tu
from gnn_readout.report.results import crossvals

TESTS = [[0.8, 0.9], [0.84, 0.88]]


def test_bars_have_our_means_and_the_published_ones(crossval, drawn):
  records = [
    crossval(tests=TESTS),
    crossval(readout="equilibrium", tests=[[0.5, 0.7]]),
    crossval("tu/NCI1", "fspool", [[0.6, 0.7]]),
  ]
  rows = crossvals.rows(records)
  data = tu.bars(rows)
  (axes,) = drawn[0].axes
  heights = [bar.get_height() for bar in axes.patches]
  assert heights == pytest.approx([85.5, 60, 65])
  (error,) = [c for c in axes.containers if getattr(c, "errorbar", None)]
  (segment,) = error.errorbar.lines[2][0].get_segments()
  deviation = 100 * statistics.stdev(statistics.fmean(row) for row in TESTS)
  assert segment[1][1] - segment[0][1] == pytest.approx(2 * deviation, abs=1e-3)
  published = [line.get_ydata()[0] for line in axes.lines]
  assert published == pytest.approx([85.0, 79.2])
  assert b"<title>MUTAG, sum: 85.5 \xc2\xb1 0.7</title>" in data["svg"]
  assert data == tu.bars(rows)
