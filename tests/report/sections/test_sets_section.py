"""The tasks on sets: their tables and figures from synthetic records."""

from __future__ import annotations

import pytest
from scipy import stats

from gnn_readout.report.blocks import Figure, File, Table
from gnn_readout.report.sections import SECTIONS, sets
from gnn_readout.statistics import t_tests


@pytest.fixture
def make(task):
  def make(problem, name, seed=0, value=0.5, lower=False, scores=(), **fields):
    """A record of a readout, or of a model of that name without one."""
    record = task(seed, readout=name, problem=problem, test=value, valid=value)
    model = fields.pop("model", {})
    record["config"].update(fields)
    record["config"]["model"].update(model)
    if "name" in model:
      del record["config"]["model"]["readout"]
    metric = "mse" if lower else "accuracy"
    record["lower_is_better"] = lower
    record["test"].update(metric=metric, scores={metric: value, **dict(scores)})
    return record

  return make


def test_counting(make):
  module = {"name": "module"}
  records = [
    make("counting", "module", 0, 1 - x, side=x, noise=0.0, model=module)
    for x in (0.0, 0.25, 0.5)
  ] + [
    make("counting", name, seed, value, side=0.5, noise=0.0)
    for name, value in (("sum", 0.2), ("fspool", 0.4), ("max", 0.7))
    for seed in (0, 1)
  ]
  text, panels, ranking, table, *_, file = sets.counting(records)
  assert "guessing is right with probability 0.091" in text
  assert isinstance(panels, Figure) and panels.name == "counting_panels"
  assert "side 0.5, noise 0.0" in ranking.caption
  assert isinstance(table, Table) and isinstance(file, File)
  shown = [(row["model"], row["side"], row["seeds"]) for row in table.rows]
  assert shown == [
    ("module", "0.0", "1"), ("module", "0.25", "1"), ("max", "0.5", "2"),
    ("module", "0.5", "1"), ("fspool", "0.5", "2"), ("sum", "0.5", "2"),
  ]  # fmt: skip


def test_digits_are_beside_the_published_numbers(make):
  records = [
    make(
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
  _, ranking, table, *_ = sets.mnist_sets(records)
  assert ranking.name == "mnist_sets_ranking"
  published = {row["model"]: row["published"] for row in table.rows}
  assert published == {"fspool": "0.919", "pna": "", "sum": "0.727"}
  # Of two values t = tan(.95 pi / 2) and half the distance is the error.
  low, high = 0.8, 0.9
  half = (high - low) / 2 * stats.t.ppf(0.975, 1)
  assert table.rows[0]["test accuracy"] == f"{0.85:.3g} ± {half:.2g}"


def test_sorting_shows_every_interval(make):
  model = {"name": "po_u"}
  records = [
    make(
      "sorting", "po_u", value=0.01, lower=True, set_size=size, model=model,
      scores={"sorted_0_1": 1.0, "sorted_log_0_1": share},
    )
    for size, share in ((80, 0.5), (5, 1.0))
  ]  # fmt: skip
  _, table, *_ = sets.sorting(records)
  assert [row["N"] for row in table.rows] == ["5", "80"]
  assert [row["sorted log 0 1"] for row in table.rows] == ["1", "0.5"]


def test_decoders(make):
  records = [
    make(
      "set_prediction", "fspool", value=value, lower=True, data="polygons",
      num_points=8, input="set", model={"decoder": decoder, "num_steps": 10},
    )
    for decoder, value in (("mlp", 0.3), ("dspn", 0.1))
  ]  # fmt: skip
  _, table, *_ = sets.set_prediction(records)
  assert [row["decoder"] for row in table.rows] == ["dspn", "mlp"]


def test_without_records_there_is_nothing(molecule, failed):
  for name in ("counting", "mnist_sets", "set_prediction", "sorting"):
    assert not SECTIONS[name].make([molecule(), failed(problem=name)])


def test_an_interval_holds_the_mean_as_often_as_it_says():
  draws = stats.norm(3, 2).rvs((2000, 4), random_state=0)
  held = [
    abs(row.mean() - 3) <= t_tests.half_width(row.tolist()) for row in draws
  ]
  assert abs(sum(held) / 2000 - 0.95) < 0.015
  assert t_tests.half_width([1.0]) is None
