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


def test_markdown():
  row = {
    "formula": "y = |x|",
    "reference": "Author 2000",
    "reduces_to": "the norm of x",
    "parameters": 1234,
    "mebibytes": 1.4,
    "large_mebibytes": 15.7,
    "deviations": {"order": 1e-7, "company": 1.0, "padding": 0.0},
    "forward": 2.0,
    "training": 3.0,
    "forward_relative": 1.0,
    "training_relative": 1.5,
  }
  facts = {
    "hardware": "a machine",
    "jax": "1",
    "large_nodes": 70,
    "large_largest": 30,
    "rows": [{"name": "sum"} | row],
  }
  text = readout_card.markdown(facts)
  line = next(x for x in text.splitlines() if x.startswith("| `sum`"))
  assert "y = \\|x\\|" in line
  assert "| 1,234 | 1.0 | 1.5 | 1 | 16 | order, padding | the norm" in line
  assert "2.0 µs forward" in text
