"""Table 2 and OGB's models: which runs, which rate, which sentence."""

from __future__ import annotations

from gnn_readout.report.blocks import Section, markdown
from gnn_readout.report.results.selection import select
from gnn_readout.report.sections import table2

EQUILIBRIUM = {"num_steps": 15, "aux_weight": 1.0}


def _members(records):
  return table2.members(select(records))


def test_members_have_the_papers_arguments(molecule):
  records = [
    molecule("equilibrium", **EQUILIBRIUM),
    molecule("equilibrium", **EQUILIBRIUM, model="gin"),
    molecule("equilibrium", num_steps=5, aux_weight=1.0),
    molecule("equilibrium", **EQUILIBRIUM, capacity=0.1),
    molecule("attention", num_heads=7),
    molecule("attention", num_heads=4),
    molecule("mean"),
    molecule("sum", model="pna"),
    molecule("sum"),
  ]
  found = [(r["message passing"], r["readout"], r[table2._PUBLISHED])
           for r in table2.table_rows(_members(records))]  # fmt: skip
  ours, rest = found[:4], found[4:]
  assert ours == [
    ("gcn", "sum", "0.203"),
    ("gcn", "attention", "0.229"),
    ("gcn", "equilibrium", "0.252"),
    ("gin", "equilibrium", "0.246"),
  ]
  # Without runs of ours: what is left of the nine rows of the paper.
  assert rest == [
    ("gcn", "pna", "0.209"),
    ("gin", "sum", "0.232"),
    ("gin", "attention", "0.234"),
    ("gin", "pna", "0.244"),
    ("equilibrium", "equilibrium", "0.258"),
  ]


def test_the_sentence(molecule):
  records = [
    molecule(readout, seed, test + seed / 100, valid + seed / 100, **arguments)
    for readout, test, valid, arguments in (
      ("sum", 0.6, 0.6, {}),
      ("attention", 0.65, 0.71, {"num_heads": 4}),
      ("pna", 0.69, 0.7, {}),
      ("equilibrium", 0.7, 0.7, EQUILIBRIUM),
    )
    for seed in range(3)
  ]
  # A deviation of 0.01 each: a standard error of 0.816 points.
  assert table2.sentence(_members(records)) == (
    "On ogbg-moltox21, gcn, width 128 of 300, 20 of 100 epochs: equilibrium is"
    " ahead of sum by 10.0 points ([7.7, 12.3], p = 0.00077 with 4 degrees of"
    " freedom); equilibrium is ahead of attention by 5.0 points ([2.7, 7.3],"
    " p = 0.0072 with 4 degrees of freedom) (on validation: not significant);"
    " the difference between equilibrium and pna, 1.0 points ([-1.3, 3.3],"
    " p = 0.29 with 4 degrees of freedom), is not significant."
  )
  longer = [
    r for r in records if r["config"]["model"]["readout"]["name"] == "sum"
  ]
  for record in longer:
    record["config"]["num_epochs"] = 7
  assert "of sum" not in table2.sentence(_members(records))
  assert table2.sentence(_members(longer)) == (
    "There is no equilibrium run to compare with."
  )


def test_ogbs_models(molecule):
  records = [
    molecule("mean", dataset="ogbg-molhiv", test=0.75, width=300),
    molecule("mean", dataset="ogbg-molhiv", test=0.70, model="gin", width=300),
    molecule("mean", dataset="ogbg-mollipo", metric="rmse"),
  ]
  entries = table2.baselines(select(records))
  assert table2.baseline_sentence(entries) == (
    "Our mean minus the published one, divided by the published standard"
    " deviation over seeds: gcn on ogbg-molhiv -1.1, gin on ogbg-molhiv -4.0."
  )
  text = markdown(Section("table2", "title", table2.make(records)))
  assert "| 0.7500 | 0.7606 ± 0.0097 (OGB leaderboard) |" in text


def test_runs_of_less_than_an_epoch_are_left_out(molecule):
  assert table2.make([molecule(epochs=0.5)]) == []


def test_nothing_to_report(molecule, task, crossval):
  assert table2.make([molecule("max"), task(), crossval()]) == []
