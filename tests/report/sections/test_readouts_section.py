"""The card of the readouts."""

from __future__ import annotations

import pytest

from gnn_readout.report.blocks import Section, markdown
from gnn_readout.report.sections import readouts


def test_the_card(card, molecule):
  text = markdown(
    Section("readouts", "title", readouts.make([molecule(), card()]))
  )
  line = next(x for x in text.splitlines() if x.startswith("| `sum`"))
  assert "y = \\|x\\|" in line
  assert "| 1,234 | 1.0 | 1.0 | 1 | 16 | order, padding | itself |" in line
  line = next(x for x in text.splitlines() if x.startswith("| `max`"))
  assert "| 2.5 | 1.5 |" in line  # Relative to the sum.
  assert "2.0 µs forward" in text and "3.0 µs for the gradient" in text
  assert "on 3 cores (a machine), jax 1." in text
  assert "on 7 graphs of some at width 5 in float64." in text
  assert "3 graphs of LARGE at width 2, with 70 nodes in all and 30 in" in text


def test_the_newest_record_counts(card):
  old = card(name="old", finished_at="2024-01-01T00:00:00+00:00")
  old["rows"][0]["forward"] = 9.0
  for records in ([old, card()], [card(), old]):
    assert "2.0 µs forward" in readouts.make(records)[0]


def test_a_missing_field_is_named(card):
  with pytest.raises(ValueError, match=r"'readouts': field 'forward' is missi"):
    readouts.make([card(rows=[{"name": "sum"}])])


def test_nothing_to_report(molecule, card):
  assert readouts.make([molecule(), card(benchmark="data")]) == []
