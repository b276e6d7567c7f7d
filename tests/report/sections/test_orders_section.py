"""Sorting and mosaics: their tables and sentences from synthetic records."""

from __future__ import annotations

from gnn_readout.report.blocks import Table
from gnn_readout.report.sections import orders


def test_sorting_shows_every_interval_and_who_makes_no_mistake(on_sets):
  records = [
    on_sets(
      "sorting", name, value=0.01, lower=True, set_size=size,
      model={"name": name},
      scores={
        "sorted_0_1": 1.0, "sorted_log_0_1": share,
        "sorted_10_11": 0.25, "sorted_log_10_11": 1.0,
      },
    )
    for name, size, share in (
      ("po_u", 80, 0.5), ("po_u", 5, 1.0), ("lin_assign", 80, 0.9),
    )
  ]  # fmt: skip
  _, plain, log, first, second, scores, *_ = orders.sorting(records)
  mistakes = "makes mistakes at N = "
  assert (
    plain == f"Decoded by -P: lin_assign {mistakes}80; po_u {mistakes}5, 80."
  )
  assert log == (
    f"Decoded by -log P: lin_assign {mistakes}80; po_u sorts all sets of all"
    f" intervals at N = 5 and {mistakes}80."
  )
  assert [row["N"] for row in first.rows] == ["80", "5", "80"]
  assert [row["[0, 1]"] for row in second.rows] == ["0.9", "1", "0.5"]
  assert {row["[10, 11]"] for row in first.rows} == {"0.25"}
  assert {row["test mse"] for row in scores.rows} == {"0.01"}
  assert not any("sorted" in title for title in scores.rows[0])


def test_mosaics_are_beside_what_is_published(on_sets):
  records = [
    on_sets(
      "mosaics", name, seed, value + 0.001 * seed, dataset=dataset, side=3,
      model={"name": name}, scores={"mse": 0.03, "accuracy": value},
    )
    for dataset in ("mnist-sets", "omniglot-small")
    for name, value in (("po_la", 0.7), ("po_u", 0.6))
    for seed in (0, 1)
  ]  # fmt: skip
  _, *sentences, table, note, file = orders.mosaics(records)
  assert note == "Reduced settings: short."
  assert sentences[0].startswith(
    "At dataset mnist-sets, side 3, po_la restores best of 2, with a test"
  )
  assert "not significantly" not in sentences[0]
  assert isinstance(table, Table)
  shown = [
    (row["model"], row["accuracy, published"], row["mse, published"])
    for row in table.rows
  ]
  assert shown == [
    ("po_la", "0.731", "0"), ("po_u", "0.659", "0.02"),
    ("po_la", "", ""), ("po_u", "", ""),
  ]  # fmt: skip
  assert file.name == "mosaics.csv"
