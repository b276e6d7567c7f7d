"""The deviation of several samples taken together."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.statistics.pooled import pooled_deviation


def test_pooled_deviation_is_that_of_the_residuals():
  samples = [[0.1, 0.4, 0.2], [0.7], [0.5, 0.9]]
  residuals = np.concatenate([np.subtract(s, np.mean(s)) for s in samples])
  expected = np.sqrt((residuals**2).sum() / (6 - 3))
  assert pooled_deviation(samples) == pytest.approx(expected)
  assert pooled_deviation([[0.1], [0.2]]) is None
