"""Tables E.1 to E.4: what belongs together, and what is said of it."""

from __future__ import annotations

import random

import pytest

from gnn_readout.report.blocks import Section, markdown
from gnn_readout.report.results.selection import select
from gnn_readout.report.sections import ablations

E1, E3, E4 = ablations.ABLATIONS


def _markdown(records):
  return markdown(Section("ablations", "title", ablations.make(records)))


def _groups(records, ablation=E1):
  return ablations.groups(select(records), ablation)


@pytest.fixture
def steps(molecule):
  """1, 5 and 15 steps; three seeds of the last."""
  runs = [
    (1, 0, 0.70),
    (5, 0, 0.71),
    (15, 0, 0.75),
    (15, 1, 0.77),
    (15, 2, 0.76),
  ]
  return [
    molecule("equilibrium", seed, valid=valid, num_steps=n, aux_weight=1.0)
    for n, seed, valid in runs
  ]


def test_only_what_is_ablated_differs(molecule, steps):
  alone = molecule("equilibrium", num_steps=2, aux_weight=0.5)
  other = molecule("sum", num_steps=3)
  records = [*steps, alone, other]
  random.Random(0).shuffle(records)
  (group,) = _groups(records)
  assert list(group) == [1, 5, 15]
  assert _groups(records, E3) == []
  weights = [
    molecule("equilibrium", num_steps=15, aux_weight=w) for w in (1.0, 1e-4)
  ]
  (group,) = _groups(weights, E3)
  assert list(group) == [1e-4, 1.0]


def test_table_e1(steps):
  rows = ablations.table_rows(E1, _groups(steps))
  found = [
    (
      r["dataset"],
      r["inner steps"],
      r["seeds"],
      r["valid"],
      r["published (MAP)"],
    )
    for r in rows
  ]
  assert found == [
    ("ogbg-moltox21", "1 step", "1", "0.7000", "0.235"),
    ("ogbg-moltox21", "5 steps", "1", "0.7100", "0.263"),
    ("ogbg-moltox21", "15 steps", "3", "0.7600 ± 0.0100", ""),
    ("", "2 steps", "", "", "0.257"),
    ("", "10 steps", "", "", "0.268"),
  ]
  assert len({tuple(row) for row in rows}) == 1


def test_the_sentence_compares_the_largest_with_the_smallest(molecule, steps):
  # One step has a single seed.
  said = ablations.sentence(E1, _groups(steps))
  assert said == (
    "On ogbg-moltox21, gcn, validation: the model with 15 steps and the one"
    " with 1 step are not compared because one of them has a single seed."
  )
  again = molecule("equilibrium", 1, valid=0.71, num_steps=1, aux_weight=1.0)
  said = ablations.sentence(E1, _groups([*steps, again]))
  assert (
    "the model with 15 steps is ahead of the one with 1 step by 5.5" in said
  )
  assert "ablation_steps" in ablations.sentence(E1, [])


def test_published_rows_stand_alone_without_runs():
  names = [
    [row[ablation.what] for row in ablations.table_rows(ablation, [])]
    for ablation in (E1, E3, E4)
  ]
  assert names == [
    ["1 step", "2 steps", "5 steps", "10 steps"],
    ["weight 1e-4", "weight 1e-3", "weight 1e-2", "weight 1e-1", "weight 1"],
    ["10%", "30%", "60%", "100%", "130%"],
  ]


def test_published_rows_are_found(molecule):
  records = [
    molecule("equilibrium", model="gin", aux_weight=w) for w in (1e-2, 1.0)
  ] + [
    molecule("equilibrium", capacity=c, aux_weight=0.1) for c in (0.1, 1.3)
  ]  # fmt: skip
  weights = ablations.table_rows(E3, _groups(records, E3))
  assert [r["published (MAP)"] for r in weights[:2]] == ["0.257", "0.263"]
  capacities = ablations.table_rows(E4, _groups(records, E4))
  assert [r["published (MAP)"] for r in capacities[:2]] == ["0.208", "0.222"]
  # The rest of the network is smaller there on purpose.
  assert capacities[0]["reduced"] == "20 of 100 epochs"


def test_table_e2_needs_the_papers_batches(molecule):
  records = [
    molecule("sum", mode="paper", speed=200.0),
    molecule("equilibrium", mode="paper", speed=50.0, num_steps=5),
    molecule("equilibrium", mode="paper", speed=100.0, num_steps=2),
    molecule("equilibrium", num_steps=2),
    molecule("sum"),
  ]
  groups = ablations.time_groups(select(records))
  rows = ablations.time_rows(groups)
  titles = ("inner steps", "hours", "relative to sum", "published hours",
            "published, relative to sum")  # fmt: skip
  found = [tuple(row[title] for title in titles) for row in rows]
  assert found == [
    ("", "2.8", "1.00", "5.5", "1.00"),
    ("2", "5.6", "2.00", "7.8", "1.42"),
    ("5", "11.1", "4.00", "10.1", "1.84"),
    ("10", "", "", "15.7", "2.86"),
  ]
  alone = [
    record
    for record in records
    if record["config"]["model"]["readout"]["name"] == "sum"
  ]
  assert ablations.time_groups(select(alone)) == []


def test_runs_for_their_speed_have_no_score(molecule, steps):
  made = [
    molecule("sum", mode="paper", epochs=0.5),
    molecule("equilibrium", mode="paper", epochs=0.5, num_steps=10),
  ]
  alone, both = (_markdown(records) for records in (steps, [*steps, *made]))
  before, after = (text.partition("**Table E.2") for text in (alone, both))
  assert before[0] == after[0]
  assert "with 10 inner steps takes 1.0 times" in after[2]


def test_the_section_and_its_figure(steps, drawn):
  text = _markdown(steps)
  places = [text.index(f"**Table E.{n}:") for n in (1, 2, 3, 4)]
  assert places == sorted(places)
  top, bottom = drawn[0].axes
  assert top.lines[0].get_xdata().tolist() == [1, 5, 15]
  assert top.lines[0].get_ydata() == pytest.approx([0.70, 0.71, 0.76])
  assert bottom.lines[0].get_ydata() == pytest.approx(
    [0.235, 0.257, 0.263, 0.268]
  )
  assert top.get_ylabel() == "valid ROC-AUC"


def test_nothing_to_report(molecule, task):
  assert ablations.make([molecule(), task()]) == []
