"""Words that go with numbers."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.wording import counted


@pytest.mark.parametrize(
  ("arguments", "text"),
  [
    ((0, "run"), "0 runs"),
    ((1, "run"), "1 run"),
    ((2, "run"), "2 runs"),
    ((1234, "task"), "1,234 tasks"),
    ((np.int64(1), "task"), "1 task"),
    ((1.0, "epoch"), "1 epoch"),
    ((12000.0, "epoch"), "12,000 epochs"),
    ((0.5, "epoch"), "0.5 epochs"),
    ((1, "study", "studies"), "1 study"),
    ((3, "study", "studies"), "3 studies"),
  ],
)
def test_counted(arguments, text):
  assert counted(*arguments) == text
