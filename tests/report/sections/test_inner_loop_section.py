"""Which runs of an inner loop are drawn."""

from __future__ import annotations

import pytest

from gnn_readout.report.blocks import Pair
from gnn_readout.report.sections import inner_loop


@pytest.fixture
def old(inner_loop_run):
  """A record of before there were such curves."""
  record = inner_loop_run("old")
  record["curves"]["diagnostics"] = {}
  return record


def test_one_record_for_each_dataset_model_and_readout(
  inner_loop_run, molecule, task, old
):
  with_sum = molecule("sum")
  with_sum["curves"]["diagnostics"] = {"grad_norm": [[1, 1.0]]}
  records = [
    inner_loop_run("a2", 2),
    inner_loop_run("a1", 1),
    inner_loop_run("few steps", 0, 2, valid=0.2),
    inner_loop_run("other data", 0, 2, dataset="ogbg-molhiv"),
    inner_loop_run("short", epochs=0.5, dataset="demo"),
    old,
    with_sum,
    task(),
  ]
  blocks = inner_loop.make(records)
  pairs = [block for block in blocks if isinstance(block, Pair)]
  assert [figure.name for pair in pairs for figure in pair] == [
    f"{name}_{kind}"
    for name in ("other data", "a1")
    for kind in ("convergence", "inner_parameters")
  ]
  assert all(set(f.data) == {"png", "svg"} for pair in pairs for f in pair)
  assert blocks[6].startswith(
    "Between step 101 and step 909, the max-norm of the last inner gradient"
    " (mean over the batch) goes from 0.03 to 0.0033; the learning rate goes"
    " from 0.14 to 0.25;"
  )
  assert "seed 1" in blocks[4] and records[1]["command"] in blocks[4]
  drawn = inner_loop.drawn(records)
  assert inner_loop.drawn(records[::-1]) == drawn


def test_of_an_error_the_lowest_is_the_best(inner_loop_run):
  records = [
    inner_loop_run(name, num_steps=steps, valid=valid, metric="rmse")
    for name, steps, valid in (("a", 2, 0.5), ("b", 3, 0.4), ("c", 4, 0.6))
  ]
  assert [r["name"] for r in inner_loop.drawn(records)] == ["b"]


def test_the_lowest_seed_with_curves_is_drawn(inner_loop_run, old):
  records = [old, inner_loop_run("a1", 1)]
  assert [r["name"] for r in inner_loop.drawn(records)] == ["a1"]


def test_records_without_curves_give_no_figure(old, task):
  assert inner_loop.make([old, task()]) == []


def test_two_configurations_of_one_name_are_refused(inner_loop_run):
  records = [
    inner_loop_run("same"),
    inner_loop_run("same", dataset="ogbg-molhiv"),
  ]
  with pytest.raises(ValueError, match=r"name must differ .* got 'same'"):
    inner_loop.make(records)
