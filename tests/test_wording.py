"""Words that go with numbers."""

from __future__ import annotations

import pytest

from gnn_readout.wording import counted


@pytest.mark.parametrize(
  ("arguments", "text"),
  [
    ((0, "run"), "0 runs"),
    ((1, "run"), "1 run"),
    ((2, "run"), "2 runs"),
    ((1234, "task"), "1,234 tasks"),
    ((1, "study", "studies"), "1 study"),
    ((3, "study", "studies"), "3 studies"),
  ],
)
def test_counted(arguments, text):
  assert counted(*arguments) == text
