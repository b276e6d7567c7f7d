"""Variants of the counting config, and the runs of its sweeps."""

from __future__ import annotations

import pytest

from configs import counting
from gnn_readout.readouts import READOUTS
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS


@pytest.mark.parametrize("variant", ["module", "score_sum", *sorted(READOUTS)])
def test_a_variant_can_be_trained(variant):
  config = counting.get_config(variant)
  settings.check(config)
  task = TASKS[config.task](config.to_dict())
  assert task.model_name() == (
    variant if variant in counting.MODULES else f"{variant} readout"
  )


def test_the_runs_of_figure_3_6():
  runs = list(counting.figure3_6())
  assert len({str(run) for run in runs}) == len(runs)
  points = {(r["variant"], r["side"], r["noise"]) for r in runs}
  for variant in counting.MODULES:
    for i in range(21):
      for noise in (0.0, 0.5):
        assert (variant, i / 20, noise) in points
      for side in (0.0, 0.5):
        assert (variant, side, i / 20) in points
  assert len(points) == len(runs) == 2 * (4 * 21 - 4)


def test_all_readouts_are_compared():
  name, runs = definitions.read("configs/counting.py:readouts", [])
  variants = {run.arguments[0].partition(":")[2] for run in runs}
  assert name == "readouts"
  assert variants == {"module", "score_sum", *READOUTS}
