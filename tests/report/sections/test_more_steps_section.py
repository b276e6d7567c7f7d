"""Equilibrium readouts tested with more inner steps, from synthetic records."""

from __future__ import annotations

import pytest
from scipy import stats

from gnn_readout.report.sections import more_steps
from gnn_readout.statistics.holm import corrected


@pytest.fixture
def tested(on_sets):
  """Records of a readout of two inner steps, by the steps in testing."""

  def make(scores, lower=False):
    records = []
    for steps, values in scores.items():
      for seed, value in enumerate(values):
        record = on_sets("counting", "equilibrium", seed, value, lower)
        record["config"]["model"]["readout"].update(
          num_steps=2, test_num_steps=steps
        )
        records.append(record)
    return records

  return make


def test_steps_of_testing_are_compared_with_those_of_training(tested):
  scores = {None: (0.5, 0.52), 5: (0.7, 0.72), 10: (0.51, 0.5)}
  said, table = more_steps.make(tested(scores))
  assert "significantly better in 1 and significantly worse in 0 of 2" in said
  shown = [(row["in testing"], row["seeds"]) for row in table.rows]
  assert shown == [("5", "2"), ("10", "2")]
  wanted = corrected(
    [stats.ttest_ind(scores[n], scores[None]).pvalue for n in (5, 10)]
  )
  assert [row["p"] for row in table.rows] == [f"{p:.2g}" for p in wanted]


def test_a_larger_error_is_worse(tested):
  scores = {None: (0.5, 0.52), 5: (0.7, 0.72)}
  said, _ = more_steps.make(tested(scores, lower=True))
  assert "significantly better in 0 and significantly worse in 1 of 1" in said


def test_nothing_to_compare(tested, on_sets):
  assert more_steps.make([]) == []
  assert more_steps.make(tested({None: (0.5, 0.6)})) == []
  assert more_steps.make(tested({5: (0.5, 0.6), 10: (0.5, 0.6)})) == []
  assert more_steps.make([on_sets("counting", "sum", 0, 0.5)]) == []
