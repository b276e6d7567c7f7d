"""From one config to the configs and programs of its members."""

from __future__ import annotations

import pytest

from configs import tu
from gnn_readout import fields
from gnn_readout.training import members


@pytest.fixture
def config():
  return tu.get_config("MUTAG,fspool")


def test_a_population_is_the_product_of_its_fields(config):
  config.population = "seed=3,5 optimizer.learning_rate=1e-2,0.5 fold=0,1,9"
  configs = members.expand(config)
  found = [(c.seed, c.optimizer.learning_rate, c.fold) for c in configs]
  assert found[:4] == [(3, 0.01, 0), (3, 0.01, 1), (3, 0.01, 9), (3, 0.5, 0)]
  assert len(set(found)) == len(found) == 12
  assert all(c.population == "" for c in configs)
  assert config.seed == 0  # The one given stays as it is.


def test_without_a_population_there_is_one_member(config):
  (alone,) = members.expand(config)
  assert alone.to_dict() == config.to_dict()


def test_values_have_the_type_of_their_field(config):
  text = "tensorboard=true,False model.head.dropout_rate=0 dataset=tu/A,tu/B"
  found = members.overrides(config, text)
  assert found[1] == {
    "tensorboard": True,
    "model.head.dropout_rate": 0.0,
    "dataset": "tu/B",
  }
  assert isinstance(found[0]["model.head.dropout_rate"], float)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("sead=1,2", "no field 'sead'. Did you mean 'seed'"),
    ("seed", "'seed' must have the form FIELD=VALUE"),
    ("seed=1 seed=2", "no field given twice"),
    ("seed=1,1", "'seed=1,1' gives a value twice"),
    ("seed=", "seed expects an integer, got ''"),
    ("seed=0.5", "seed expects an integer, got '0.5'"),
    ("tensorboard=yes", "tensorboard expects true or false, got 'yes'"),
    ("folds=1", "no field 'folds'"),
  ],
)
def test_bad_text_is_named(config, text, message):
  with pytest.raises(ValueError, match=message):
    members.overrides(config, text)


def test_fields_are_checked(config):
  changed = members.with_fields(config, {"model.head.dropout_rate": 0.25})
  assert changed.model.head.dropout_rate == 0.25
  assert config.model.head.dropout_rate == 0.5
  with pytest.raises(ValueError, match="no field 'model.head.dropout'"):
    members.with_fields(config, {"model.head.dropout": 0.25})
  with pytest.raises(ValueError, match="seed expects an integer, got 'a'"):
    members.with_fields(config, {"seed": "a"})


def test_other_shapes_are_other_programs(config):
  config.population = (
    "model.message_passing.width=16,32 seed=0,1 batching.batch_size=8,9"
    " optimizer.learning_rate=0.1,0.2 fold=0,3"
  )
  configs = members.expand(config)
  groups = members.group_by_program(configs)
  assert [len(group) for group in groups] == [8] * 4
  seen = set()
  for group in groups:
    shapes = {
      (configs[i].model.message_passing.width, configs[i].batching.batch_size)
      for i in group
    }
    assert len(shapes) == 1
    seen |= shapes
  assert len(seen) == 4


def test_traced_values_go_into_the_config(config):
  config.population = "optimizer.learning_rate=0.1,0.2"
  configs = members.expand(config)
  values = members.traced(configs)
  assert values == {
    "model.head.dropout_rate": [0.5, 0.5],
    "model.readout.aux_weight": [0.0, 0.0],
    "optimizer.learning_rate": [0.1, 0.2],
  }
  nested = fields.nested(
    configs[0].to_dict(), {"optimizer.learning_rate": "traced"}
  )
  assert nested["optimizer"]["learning_rate"] == "traced"
  assert nested["optimizer"]["schedule"] == "halving"
