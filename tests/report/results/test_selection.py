"""Which learning rate counts, and what is alike."""

from __future__ import annotations

import pytest

from gnn_readout.report.results.selection import alike, select


def test_the_rate_is_chosen_by_validation_over_seeds(molecule):
  records = [
    molecule(rate=rate, seed=seed, valid=valid, test=test)
    for rate, seed, valid, test in (
      (1e-3, 0, 0.6, 0.9),  # The best test must not matter,
      (1e-3, 1, 0.7, 0.9),
      (1e-4, 0, 0.69, 0.5),  # nor the best single run.
    )
  ]
  (entry,) = select(records)
  assert (entry.record["name"], entry.rates) == (records[2]["name"], 2)
  assert entry.learning_rate == 1e-4
  for record in records:
    record["lower_is_better"] = True
  (entry,) = select(records)
  assert entry.valids == [0.6, 0.7]
  assert entry.tests == [0.9, 0.9]


def test_of_equal_rates_the_lower_counts(molecule):
  records = [molecule(rate=rate) for rate in (1e-3, 1e-4, 1e-2)]
  for order in (records, records[::-1]):
    (entry,) = select(order)
    assert entry.learning_rate == 1e-4


def test_the_best_run_is_that_of_the_best_validation_score(task):
  records = [
    task(seed, rate, valid=seed + rate, lower_is_better=False)
    for seed in (0, 1)
    for rate in (0.25, 0.5)
  ]
  (row,) = select(records)
  assert (row.learning_rate, row.best["seed"]) == (0.5, 1)
  for record in records:
    record["lower_is_better"] = True
  (row,) = select(records)
  assert (row.learning_rate, row.best["seed"]) == (0.25, 0)


def test_rates_with_a_failed_run_come_last(task, failed):
  fine = [task(seed, 1e-4, valid=0.5) for seed in (0, 1)]
  (row,) = select([*fine, task(0, 1e-3), failed(seed=1)])
  assert (row.learning_rate, row.failed, len(row.runs)) == (1e-4, 1, 2)
  (row,) = select([task(0, 1e-3), failed(seed=1)])
  assert (row.learning_rate, row.failed, len(row.runs)) == (1e-3, 1, 1)
  assert select([failed(seed=1)]) == []


def test_the_note_is_no_reason_for_another_row(molecule):
  records = [molecule(seed=seed) for seed in (1, 0)]
  records[0]["config"]["note"] = "short"
  (entry,) = select(records)
  assert [run["seed"] for run in entry.runs] == [0, 1]


@pytest.mark.parametrize(
  "without", ["model.readout", "model.readout.num_steps"]
)
def test_what_is_alike_but_for_a_field(molecule, without):
  first = molecule("equilibrium", num_steps=1, rate=1e-4)
  entries = select(
    [
      first,
      molecule("equilibrium", num_steps=2),
      molecule("sum"),
      molecule("equilibrium", num_steps=2, model="gin"),
    ]
  )
  sizes = [len(group) for group in alike(entries, without)]
  assert sorted(sizes) == ([1, 3] if without == "model.readout" else [1, 1, 2])
  group = next(g for g in alike(entries, without) if len(g) > 1)
  assert first["name"] in [entry.record["name"] for entry in group]
