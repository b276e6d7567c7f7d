"""Variants of the median config, and the runs of its sweep."""

from __future__ import annotations

import pytest

from configs import median
from gnn_readout.runs import settings
from gnn_readout.tasks import TASKS
from gnn_readout.training import members


@pytest.mark.parametrize("variant", ["sum", "attention", "pna", "equilibrium"])
def test_a_variant_can_be_trained(variant):
  config = median.get_config(variant)
  settings.check(config)
  assert config.is_locked
  assert TASKS[config.task](config.to_dict()).metric == "mse"
  assert config.model.readout.name == variant
  assert (config.set_size, config.batch_size) == (100, 64)
  widths = () if variant == "equilibrium" else (256, 256)
  assert config.model.element_widths == widths


def test_members_are_all_seeds_with_all_rates():
  configs = members.expand(median.get_config("sum"))
  assert len(members.group_by_program(configs)) == 1
  pairs = [(c.seed, c.optimizer.learning_rate) for c in configs]
  assert len(pairs) == len(set(pairs)) == 15
  assert {rate for _, rate in pairs} == {1e-4, 3e-4, 1e-3}


def test_squared_and_not():
  plain, squared = (
    median.get_config(variant).model.readout
    for variant in ("equilibrium", "equilibrium, squared")
  )
  assert (plain.square_reduction, plain.last_layer_scale) == ("none", 1.0)
  assert (squared.square_reduction, squared.last_layer_scale) == ("sum", 0.3)
  for readout in (plain, squared):
    assert readout.widths == (256, 256, 1)
    assert (readout.num_steps, readout.aux_weight) == (5, 1e-4)
    assert readout.first_bias_scale == 1.0


@pytest.mark.parametrize(
  ("variant", "message"),
  [
    ("equilibrium,square", "Did you mean 'squared'"),
    ("sum,squared", "Unknown variant 'sum,squared'. Write READOUT"),
    ("equilibrium,squared,squared", "Unknown variant"),
  ],
)
def test_an_unknown_variant(variant, message):
  with pytest.raises(ValueError, match=message):
    median.get_config(variant)


def test_the_runs_of_figure_3():
  runs = list(median.figure3())
  assert len({str(run) for run in runs}) == len(runs) == 9
  for run in runs:
    config = median.get_config(run.pop("variant"))
    config = members.with_fields(config, run)
    settings.check(config)
    TASKS[config.task](config.to_dict())
