"""The papers' claims and their verdicts, from synthetic records."""

from __future__ import annotations

import pytest
from scipy import stats

from gnn_readout.report.sections import claims, findings
from gnn_readout.statistics.holm import corrected

GOOD, BAD = (0.75, 0.76, 0.77), (0.65, 0.66, 0.64)


def claim(text):
  (found,) = (x for x in claims.CLAIMS if x.text == text)
  return found


EQUILIBRIUM = claim("equilibrium is better than the sum")
MEDIAN = claim("it is better than attention at the median")


@pytest.fixture
def molecules(molecule):
  def make(equilibrium, sums, dataset="ogbg-moltox21"):
    return [
      molecule(readout=name, seed=seed, test=value, dataset=dataset)
      for name, values in (("equilibrium", equilibrium), ("sum", sums))
      for seed, value in enumerate(values)
    ]

  return make


@pytest.mark.parametrize(
  "first, second, verdict",
  [
    (GOOD, BAD, claims.SUPPORTED),
    (BAD, GOOD, claims.CONTRADICTED),
    ((0.7, 0.8, 0.6), (0.7, 0.79, 0.6), claims.OPEN),
    (GOOD[:1], BAD, claims.OPEN),
  ],
)
def test_verdict(molecules, first, second, verdict):
  (found,) = claims.examine(EQUILIBRIUM, molecules(first, second))
  assert found.verdict == verdict
  assert found.case.published == "0.252 against 0.203 MAP"
  if len(first) > 1:
    assert found.p == pytest.approx(stats.ttest_ind(first, second).pvalue)
  else:
    assert found.p is None and found.case.test is None


def test_all_settings_of_a_claim_are_corrected_for(molecules):
  sides = [(GOOD, BAD), ((0.7, 0.72, 0.71), (0.69, 0.68, 0.7))]
  records = molecules(*sides[0]) + molecules(*sides[1], "ogbg-molhiv")
  found = claims.examine(EQUILIBRIUM, records)
  by_setting = {x.case.setting.split(",")[0]: x.p for x in found}
  wanted = corrected([stats.ttest_ind(*pair).pvalue for pair in sides])
  got = [by_setting["ogbg-moltox21"], by_setting["ogbg-molhiv"]]
  assert got == pytest.approx(wanted)


def test_of_errors_the_lower_one_is_better(on_sets):
  errors = {"equilibrium": (0.2, 0.21), "attention": (0.3, 0.32)}
  records = [
    on_sets("median", name, seed, value, lower=True)
    for name, values in errors.items()
    for seed, value in enumerate(values)
  ]
  (found,) = claims.examine(MEDIAN, records)
  assert found.case.gain == pytest.approx(0.105)
  assert found.p == pytest.approx(stats.ttest_ind(*errors.values()).pvalue)
  assert found.verdict == claims.SUPPORTED


def test_what_is_said(molecules):
  records = molecules(GOOD, BAD) + molecules(GOOD[:1], BAD, "ogbg-molhiv")
  said, how, table = findings.make(records)
  assert said == (
    "Molecules: equilibrium is better than the sum: supported in 1 and not"
    " decided in 1 of 2 settings."
  )
  assert "Holm's correction" in how
  assert [row["verdict"] for row in table.rows] == ["not decided", "supported"]
  assert [row["means of"] for row in table.rows] == [
    "1 and 3 seeds", "3 and 3 seeds",
  ]  # fmt: skip
  assert findings.make([]) == []


def test_counting_compares_the_settings_in_pairs(on_sets):
  scores = {0.0: (1.0, 0.9), 0.5: (0.9, 0.6), 1.0: (0.4, 0.35)}
  records = [
    on_sets(
      "counting", name, 0, value, side=side, noise=0.0, model={"name": name}
    )
    for side, values in scores.items()
    for name, value in zip(("module", "score_sum"), values)
  ]
  text = "the counting module is better than the sum of the scores"
  (found,) = claims.examine(claim(text), records)
  paired = stats.ttest_rel(*zip(*scores.values()))
  assert found.p == pytest.approx(paired.pvalue)
  assert found.case.gain == pytest.approx(0.15)


def test_a_claim_about_polygons_takes_no_digits(on_sets):
  corners = claim(
    "DSPN predicts the corners of a polygon from its rotation better than an"
    " MLP"
  )

  def runs(data, given):
    common = {"data": data, "input": given, "num_points": 4}
    return [
      on_sets(
        "set_prediction",
        "fspool",
        seed,
        loss + seed / 100,
        lower=True,
        **common,
        model={"decoder": decoder, "test_num_steps": []},
      )
      for decoder, loss in (("dspn", 0.1), ("mlp", 0.3))
      for seed in (0, 1)
    ]

  assert not claims.examine(corners, runs("digits", "set"))
  assert not claims.examine(corners, runs("polygons", "set"))
  (found,) = claims.examine(corners, runs("polygons", "rotation"))
  assert found.verdict == claims.SUPPORTED
