"""Variants of the TU config, and what a launcher makes of them."""

from __future__ import annotations

import pytest

from configs import tu
from gnn_readout import models
from gnn_readout.data.store import Schema
from gnn_readout.runs import settings

SCHEMA = Schema(
  name="tu/T",
  task_type="multiclass",
  num_tasks=1,
  num_classes=3,
  metric="accuracy",
  node_sizes=(7,),
  edge_sizes=(),
  node_dim=1,
  edge_dim=0,
  task_names=("class",),
)


@pytest.mark.parametrize(
  ("variant", "width", "epochs", "layers", "head"),
  [
    ("MUTAG,fspool", 32, 500, 5, "mlp"),
    ("PROTEINS,sum,gin0", 32, 350, 4, "layerwise"),
    ("IMDB-BINARY,mean", 64, 250, 5, "mlp"),
    ("COLLAB,fspool", 64, 250, 5, "mlp"),
    ("REDDIT-MULTI-5K, sum, gin0", 64, 350, 4, "layerwise"),
  ],
)
def test_a_variant_can_be_trained(variant, width, epochs, layers, head):
  config = tu.get_config(variant)
  settings.check(config)
  assert models.build_model(config.model, SCHEMA)
  assert config.is_locked
  assert config.dataset == f"tu/{variant.split(',')[0]}"
  assert config.model.message_passing.width == width
  assert config.model.message_passing.num_layers == layers
  assert config.model.head.name == head
  assert (config.num_epochs, config.batching.batch_size) == (epochs, 32)
  assert config.optimizer.learning_rate == 0.01
  assert config.optimizer.schedule == "halving"


def test_the_default_is_the_thesis():
  config = tu.get_config()
  assert config.to_dict() == tu.get_config("MUTAG,fspool").to_dict()
  assert config.model.readout.to_dict() == {
    "name": "fspool",
    "aux_weight": 0.0,
    "num_knots": 5,
    "initialisation": "ones",
  }


@pytest.mark.parametrize(
  "variant", ["MUTAG", "MUTAG,sum,gin1", "MUTAG,gin0,sum", "a,b,gin0,c", ""]
)
def test_an_unknown_variant_says_what_to_write(variant):
  with pytest.raises(ValueError, match=r"Write NAME,READOUT\[,gin0\]"):
    tu.get_config(variant)


def test_a_missing_field_is_named():
  config = tu.get_config().unlock()
  del config.model.message_passing.name
  message = "the config has no field 'model.message_passing.name'"
  with pytest.raises(ValueError, match=message):
    settings.check(config)


def test_what_is_not_there_has_its_default():
  config = tu.get_config().unlock()
  for field in ("norm_first", "with_input", "initialisation"):
    del config.model.message_passing[field]
  config.model.message_passing.norm_frist = True
  with pytest.raises(ValueError, match="Did you mean 'norm_first'"):
    models.build_model(config.model, SCHEMA)
  del config.model.message_passing.norm_frist
  assert models.build_model(config.model, SCHEMA)


def test_an_unknown_network_is_named():
  config = tu.get_config()
  config.model.message_passing.name = "gin_block"
  with pytest.raises(ValueError, match="Did you mean 'gin_blocks'"):
    settings.check(config)


@pytest.mark.parametrize(
  ("variant", "batches", "widths"),
  [
    ("COLLAB,sum", "32,100", None),
    ("COLLAB,sum,gin0", "32,128", None),
    ("MUTAG,sum", "32,128", "16,32"),
    ("MUTAG,sum,gin0", "32,128", "16,32"),
  ],
)
def test_the_published_grids(variant, batches, widths):
  config = tu.get_config(variant)
  fields = dict(part.split("=") for part in config.grid.split())
  assert fields.pop("batching.batch_size") == batches
  assert fields.pop("model.head.dropout_rate") == "0,0.5"
  assert fields.pop("model.message_passing.width", None) == widths
  assert not fields
