"""The tasks on sets: their tables and figures from synthetic records."""

from __future__ import annotations

from scipy import stats

from gnn_readout.report.blocks import Figure, File, Table
from gnn_readout.report.sections import SECTIONS, sets
from gnn_readout.statistics import t_tests

NAMES = ("counting", "mnist_sets", "set_prediction", "scenes", "denoising")
NAMES += ("sorting", "mosaics")


def test_counting(on_sets):
  module = {"name": "module"}
  records = [
    on_sets(
      "counting", "module", 0, 1 - x, side=x, noise=0.0, set_size=10,
      model=module,
    )
    | {"describe": {"functions": [[0, x, 1]] * 8}}
    for x in (0.0, 0.25, 0.5)
  ] + [
    on_sets(
      "counting", name, seed, value, side=0.5, noise=0.0, set_size=10
    )
    for name, value in (("sum", 0.2), ("fspool", 0.4), ("max", 0.7))
    for seed in (0, 1)
  ]  # fmt: skip
  text, best, panels, functions, ranking, table, *_, file = sets.counting(
    records
  )
  assert "guessing is right with probability 0.091" in text
  assert best == (
    "At side 0.5, noise 0.0, max counts best of 4, with a test accuracy of 0.7;"
    " too few seeds ran to compare it with module."
  )
  assert isinstance(panels, Figure) and panels.name == "counting_panels"
  assert functions.name == "counting_functions_side_noise_0"
  assert "as the side goes from 0 (blue) to 0.5 (orange)" in functions.caption
  assert "side 0.5, noise 0.0" in ranking.caption
  assert isinstance(table, Table) and isinstance(file, File)
  shown = [(row["model"], row["side"], row["seeds"]) for row in table.rows]
  assert shown == [
    ("max", "0.5", "2"), ("module", "0.5", "1"), ("fspool", "0.5", "2"),
    ("sum", "0.5", "2"),
  ]  # fmt: skip
  assert len(file.text.splitlines()) == 7  # All settings.


def test_where_the_module_is_ahead_of_the_sum(on_sets):
  records = [
    on_sets(
      "counting", name, 0, value, side=side, noise=0.0, set_size=10,
      model={"name": name},
    )
    for side, values in ((0.0, (1.0, 1.0)), (0.2, (0.9, 0.6)))
    for name, value in zip(("module", "score_sum"), values)
  ]  # fmt: skip
  blocks = sets.counting(records)
  assert (
    "The module is more accurate than the sum of the scores in 1 of 2 settings,"
    " by +30.0 points at side 0.2 and noise 0 at most and by +0.0 points at"
    " side 0 and noise 0 at least."
  ) in blocks
  assert not any("The module is" in str(b) for b in sets.counting(records[:1]))


def test_digits_are_beside_the_published_numbers(on_sets):
  records = [
    on_sets(
      "mnist_sets",
      name,
      seed,
      value,
      noise=0.05,
      dataset="mnist-sets",
      batch_size=16,
    )
    | {"steps": 37_500}
    for name, low in (("fspool", 0.8), ("sum", 0.6), ("pna", 0.7))
    for seed, value in enumerate((low, low + 0.1))
  ]
  _, best, ranking, table, *_ = sets.mnist_sets(records)
  assert best.startswith("At noise 0.05, dataset mnist-sets, fspool")
  assert ranking.name == "mnist_sets_ranking"
  published = {row["model"]: row["published"] for row in table.rows}
  assert published == {"fspool": "0.919", "pna": "", "sum": "0.727"}
  # Of two values t = tan(.95 pi / 2) and half the distance is the error.
  low, high = 0.8, 0.9
  half = (high - low) / 2 * stats.t.ppf(0.975, 1)
  assert table.rows[0]["test accuracy"] == f"{0.85:.3g} ± {half:.2g}"


def test_runs_that_never_learned_are_counted(on_sets):
  records = [
    on_sets("mnist_sets", name, seed, value, noise=0.05, batch_size=16)
    | {"steps": 2_500}
    for name, values in (("sum", (0.1, 0.4)), ("pna", (0.6, 0.104)))
    for seed, value in enumerate(values)
  ]
  said = [x for x in sets.mnist_sets(records) if isinstance(x, str)]
  assert any(
    x.startswith("1 of 4 runs, of 1 of 2 readouts, never left the accuracy")
    for x in said
  )
  (table,) = (x for x in sets.mnist_sets(records) if isinstance(x, Table))
  stuck = {row["model"]: row["at chance"] for row in table.rows}
  assert stuck == {"pna": "0", "sum": "1"}
  assert not any("never left" in f"{x}" for x in sets.mnist_sets(records[1:2]))


def test_without_records_there_is_nothing(molecule, failed):
  for name in NAMES:
    assert not SECTIONS[name].make([molecule(), failed(problem=name)])


def test_an_interval_holds_the_mean_as_often_as_it_says():
  draws = stats.norm(3, 2).rvs((2000, 4), random_state=0)
  held = [
    abs(row.mean() - 3) <= t_tests.half_width(row.tolist()) for row in draws
  ]
  assert abs(sum(held) / 2000 - 0.95) < 0.015
  assert t_tests.half_width([1.0]) is None
