"""Variants of the class-counting config, and the models they describe."""

from __future__ import annotations

import collections
import json
import math

import jax
import numpy as np
import pytest

from configs import omniglot as config_lib
from gnn_readout.runs import settings
from gnn_readout.tasks import omniglot
from gnn_readout.training import members

# Of the encoder, the linear map to 256, and the output net.
CONVOLUTIONS = sum(
  9 * (a + b) * b + a * b + 3 * b + 4 * b
  for a, b in ((1, 16), (16, 32), (32, 64))
)
SHARED = CONVOLUTIONS + 1025 * 256 + 2 * 257 * 128 + 2 * 128 + 2 * 129 * 10
# A square of 512 without a projection twice, and the last layer with one.
POTENTIAL = 2 * (513 * 512 + 2 * 512) + 2 * 513 * 32
NUM_PARAMETERS = {
  "sum": SHARED,
  "attention": SHARED + 2 * 256**2 + 256 + 256,
  "equilibrium": SHARED + POTENTIAL + 3,
}


def images():
  return dict.fromkeys(
    ("train", "valid", "test"), np.zeros((10, 20, 32, 32), np.uint8)
  )


@pytest.mark.parametrize("readout", NUM_PARAMETERS)
def test_the_paper_s_model(readout):
  config = config_lib.get_config(readout)
  task = omniglot.class_counting(config, images())
  params = jax.eval_shape(task.init, jax.random.key(0))
  count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
  assert count == NUM_PARAMETERS[readout]
  if readout == "equilibrium":
    fields = config.model.readout
    assert fields.num_steps == 10 and fields.square_reduction == "sum"
    assert fields.aux_weight == 1e-4


def test_the_default():
  config = config_lib.get_config()
  assert config.is_locked
  assert config.to_dict() == config_lib.get_config("sum").to_dict()
  assert (config.task, config.dataset) == ("omniglot", "omniglot")
  assert config.batch_size == 8
  assert config.sets.to_dict() == {"set_size": 16, "num_classes": 10}


def test_small_changes_the_dataset_alone():
  whole = config_lib.get_config("attention").to_dict()
  small = config_lib.get_config("attention, small").to_dict()
  assert small == whole | {"dataset": "omniglot-small"}


@pytest.mark.parametrize(
  ("variant", "words"),
  [
    ("", "Write READOUT"),
    ("sum,smal", "Did you mean 'small'"),
    ("sum,small,small", "Write READOUT"),
    ("small,sum", "Write READOUT"),
  ],
)
def test_an_unknown_variant_says_what_to_write(variant, words):
  with pytest.raises(ValueError, match=words):
    config_lib.get_config(variant)


@pytest.mark.parametrize("sweep", ["figure4", "figure4_small"])
def test_sweeps(sweep):
  trained = collections.Counter()
  for run in getattr(config_lib, sweep)():
    assert json.loads(json.dumps(run)) == run
    overrides = dict(run)
    config = config_lib.get_config(overrides.pop("variant"))
    config.update_from_flattened_dict(overrides)
    settings.check(config)
    for fields in members.overrides(config, config.population):
      rate = fields["optimizer.learning_rate"]
      trained[config.dataset, config.model.readout.name, rate] += 1
  dataset = "omniglot-small" if sweep.endswith("small") else "omniglot"
  assert trained == {
    (dataset, readout, rate): 1
    for readout in ("sum", "attention", "equilibrium")
    for rate in (1e-4, 3e-4, 1e-3)
  }
