"""The config for graphs of one's own."""

from __future__ import annotations

import pytest

from configs import graphs, molpcba, tu
from gnn_readout.runs import settings


@pytest.mark.parametrize("variant", ["gin,sum", "equilibrium,virtual_node,max"])
def test_it_has_what_folds_and_splits_need(variant):
  config = graphs.get_config(variant)
  settings.check(config)
  assert config.is_locked
  of_molecules = molpcba.get_config(variant)
  assert config.model.readout == of_molecules.model.readout
  name = of_molecules.model.message_passing.name
  assert config.model.message_passing.name == name
  for field in ("fold", "folds", "repeats"):
    assert config[field] == tu.get_config()[field]
  assert config.dataset == "" and config.grid


def test_wrong_variants_say_what_to_write():
  with pytest.raises(ValueError, match=r"Write MESSAGE_PASSING\[,virtual_node"):
    graphs.get_config("gin,sum,paper")
