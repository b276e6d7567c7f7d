"""Published numbers against what they must be."""

from __future__ import annotations

import math

import pytest

from gnn_readout.report.results import published as paper


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32, 64])
def test_a_random_polygon_is_as_far_off_as_chance_has_it(n):
  # The mean of 1 - cos(t) for t ~ U(0, pi / n); two digits are printed.
  error = 1 - math.sin(math.pi / n) / (math.pi / n)
  wanted = {"direct": 1, "chamfer": 2 * error, "hungarian": error}
  for metric, value in wanted.items():
    published = paper.polygon_loss(metric, "random", n)
    assert published == pytest.approx(value, rel=0.025)


def test_a_loss_of_the_tables():
  assert paper.polygon_loss("chamfer", "mlp,hungarian", 4) == 0.4 / 100
  assert paper.polygon_loss("hungarian", "mlp,chamfer", 64) == 0.285 / 100
  assert paper.polygon_loss("direct", "mlp,chamfer", 64) is None
  assert paper.polygon_loss("chamfer", "mlp,chamfer", 3) is None
