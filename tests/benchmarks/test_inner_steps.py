import pytest

from benchmarks import inner_steps


def test_the_ratios_are_those_of_table_e2():
  found = inner_steps._published()
  assert found["sum", 0] == 1
  # Minutes, as the paper has them in hours and minutes.
  for steps, minutes in ((2, 470), (5, 608), (10, 944)):
    assert found["equilibrium", steps] == pytest.approx(minutes / 330)
