"""The figure of what an FSPool has learned."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.report.figures import fspool, style

D, K = 5, 4
KNOTS = np.random.default_rng(0).normal(size=(D, K)).round(4).tolist()


def test_a_panel_for_each_feature():
  with style.context():
    figure = fspool._figure(KNOTS, "FSPool")
  assert figure.get_suptitle() == "FSPool"
  assert "f(r, w)" in figure.get_supylabel()
  assert "rank r" in figure.get_supxlabel()
  shown = [axes for axes in figure.axes if axes.axison]
  assert [axes.get_title() for axes in shown] == ["1", "2", "3", "4", "5"]
  for axes, values in zip(shown, KNOTS, strict=True):
    line = axes.lines[-1]
    np.testing.assert_allclose(line.get_xdata(), [0, 1 / 3, 2 / 3, 1])
    assert list(line.get_ydata()) == values
    assert axes.get_ylim() == shown[0].get_ylim()
  low, high = shown[0].get_ylim()
  assert low < np.min(KNOTS) and np.max(KNOTS) < high


def test_the_same_knots_give_the_same_bytes():
  first = fspool.rank_weights(KNOTS[:2])
  assert set(first) == set(style.FORMATS)
  assert first["png"].startswith(b"\x89PNG")
  assert fspool.rank_weights(KNOTS[:2]) == first
  assert fspool.rank_weights(KNOTS[1:3])["png"] != first["png"]


@pytest.mark.parametrize("knots", [[], [[1.0]], [[1.0, 2.0], [1.0, 2.0, 3.0]]])
def test_knots_that_are_no_table_are_refused(knots):
  with pytest.raises(ValueError, match="knots must have at least one row"):
    fspool.rank_weights(knots)
