"""What `make demo` trains."""

from __future__ import annotations

import pytest

from configs import demo
from gnn_readout.fields import flatten
from gnn_readout.runs import settings


@pytest.mark.parametrize("readout", demo.READOUTS)
def test_every_readout_has_the_same_small_model(readout):
  config = demo.get_config(readout)
  settings.check(config)
  assert config.model.readout.name == readout
  fields = flatten(settings.as_json(config))
  other = flatten(settings.as_json(demo.get_config()))
  differ = {key for key in other if fields.get(key) != other[key]}
  assert differ <= {"model.readout.name", "model.readout.aux_weight"}


def test_equilibrium_stands_beside_sum_and_attention():
  assert {"sum", "attention", "equilibrium"} <= set(demo.READOUTS)
  assert demo.get_config("equilibrium").model.readout.num_steps == 5
