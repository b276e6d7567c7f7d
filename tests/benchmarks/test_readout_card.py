"""Tests of the card of the readouts."""

import numpy as np
import pytest

from benchmarks import readout_card, readouts
from gnn_readout.readouts import READOUTS


@pytest.fixture
def given():
  sizes = np.array([5, 0, 7, 1])
  elements = np.random.default_rng(0).normal(size=(13, 3)).astype(np.float32)
  return readouts.Problem(elements, sizes, np.ones((4, 3), np.float32))


def test_deviations_are_small_and_not_of_what_depends_on_order(
  given, monkeypatch
):
  found = readout_card.deviations("sum", given, num_sets=4)
  assert list(found) == ["order", "company", "padding"]
  assert max(found.values()) < 1e-5

  class Last(READOUTS["sum"]):
    def aggregate(self, elements, sets, is_training):
      total = super().aggregate(elements, sets, is_training)
      return total + elements[3] + elements[-1]  # Not of each set alone.

  monkeypatch.setitem(READOUTS, "sum", Last)
  found = readout_card.deviations("sum", given, num_sets=4)
  assert min(found["order"], found["company"]) > 1e-3
