"""Rank correlations of the readouts' scores, from synthetic records."""

from __future__ import annotations

import pytest
from scipy import stats

from gnn_readout.report.results import contests
from gnn_readout.report.sections import agreement

NAMES = ("sum", "mean", "max", "fspool", "attention", "pna")


@pytest.fixture
def ranked(on_sets, molecule):
  """Records of counting, of polygons with a loss, and of molecules."""

  def make(counts, losses, scores):
    dspn = {"decoder": "dspn", "test_num_steps": []}
    given = {"data": "polygons", "num_points": 8, "input": "set", "model": dspn}
    records = []
    for name, count, loss, score in zip(NAMES, counts, losses, scores):
      records += [
        on_sets("counting", name, 0, count, side=0.5, noise=0.0),
        on_sets("set_prediction", name, 0, loss, lower=True, **given),
        molecule(readout=name, test=score),
      ]
    return records

  return make


COUNTS = (0.1, 0.3, 0.2, 0.6, 0.5, 0.9)


def test_correlations_are_scipys(ranked):
  losses = (0.9, 0.1, 0.5, 0.3, 0.2, 0.4)
  scores = (0.3, 0.1, 0.2, 0.6, 0.5, 0.4)
  records = ranked(COUNTS, losses, scores)
  found = agreement.agreements(contests.find(records))
  assert [(x.first.is_sets, x.second.is_sets) for x in found] == [
    (True, True), (True, False), (True, False),
  ]  # fmt: skip
  got = {(x.first.title, x.second.title): x for x in found}
  first = "counting, side 0.5, noise 0"
  second = "polygons of 8 points by DSPN from the set"
  third = next(x.second.title for x in found if not x.second.is_sets)
  negative = [-x for x in losses]  # A low loss is a high rank.
  for key, sides in (
    ((first, second), (COUNTS, negative)),
    ((first, third), (COUNTS, scores)),
    ((second, third), (negative, scores)),
  ):
    assert got[key].number == 6
    assert got[key].correlation == pytest.approx(stats.spearmanr(*sides)[0])
    assert got[key].p >= stats.spearmanr(*sides)[1] - 1e-12


def test_what_is_said(ranked):
  opposite = [-x for x in COUNTS]
  text = agreement.make(ranked(COUNTS, opposite, opposite))
  assert text[1] == (
    "Between two tasks on sets the rank correlation is +1.00: rankings agree"
    " significantly in 1 and contradict each other significantly in 0."
  )
  assert text[2] == (
    "Between a task on sets and one on molecules the rank correlation is -1.00"
    " in the median of 2 pairs: rankings agree significantly in 0 and"
    " contradict each other significantly in 2."
  )
  assert text[3].rows[0]["rank correlation"] == "+1.00"


def test_few_readouts_are_not_compared(ranked):
  records = ranked(COUNTS[:4], COUNTS[:4], COUNTS[:4])
  assert agreement.make(records) == []
  assert agreement.make([]) == []


def test_models_without_a_readout_and_constant_scores_are_left_out(
  ranked, on_sets
):
  records = ranked(COUNTS, [0.5] * 6, [0.5] * 6)
  module = {"model": {"name": "module"}, "side": 0.5, "noise": 0.0}
  records.append(on_sets("counting", "module", 0, 1.0, **module))
  assert agreement.make(records) == []


def test_a_sweep_with_batches_of_its_own_is_no_part_of_a_contest(
  ranked, on_sets
):
  records = ranked(COUNTS, COUNTS, COUNTS)
  others = [
    on_sets("counting", name, 0, 1.0, side=0.5, noise=0.0, batch_size=7)
    for name in ("median", "sum")
  ]
  assert agreement.make(records + others) == agreement.make(records)
