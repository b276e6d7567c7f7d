"""Variants and sweeps of the polygon config, as a launcher takes them."""

from __future__ import annotations

import pytest

from configs import polygons
from gnn_readout.runs import settings
from gnn_readout.tasks import TASKS
from gnn_readout.training import members


@pytest.mark.parametrize(
  ("variant", "decoder", "loss", "readout"),
  [
    ("fspool,direct", "fspool", "direct", "fspool"),
    ("mlp,chamfer", "mlp", "chamfer", "fspool"),
    ("mlp, hungarian, max", "mlp", "hungarian", "max"),
  ],
)
def test_a_variant_can_be_trained(variant, decoder, loss, readout):
  config = polygons.get_config(variant)
  settings.check(config)
  assert TASKS[config.task](config.to_dict()).metric == "hungarian"
  assert config.is_locked
  assert (config.model.decoder, config.loss) == (decoder, loss)
  assert config.model.readout.name == readout


def test_the_numbers_are_those_of_the_thesis():
  config = polygons.get_config()
  assert config.to_dict() == polygons.get_config("fspool,direct").to_dict()
  assert (config.model.width, config.model.latent_size) == (16, 1)
  assert config.model.readout.num_knots == 20
  assert (config.batch_size, config.num_steps) == (16, 10240)
  assert config.optimizer.learning_rate == 0.001


@pytest.mark.parametrize(
  ("variant", "hint"),
  [
    ("fspol,direct", "Did you mean 'fspool'"),
    ("mlp,chamber", "Did you mean 'chamfer'"),
    ("mlp", "one of fspool, mlp and LOSS one of direct, chamfer, hungarian"),
    ("mlp,chamfer,sum,mean", "Write MODEL,LOSS"),
    ("", "Write MODEL,LOSS"),
  ],
)
def test_an_unknown_variant_says_what_to_write(variant, hint):
  with pytest.raises(ValueError, match=hint):
    polygons.get_config(variant)


def test_the_runs_of_the_sweeps_are_all_possible():
  counts = {}
  for sweep in (
    polygons.table5_1,
    polygons.table5_2,
    polygons.table5_3,
    polygons.encoders,
    polygons.latent,
    polygons.relaxation,
  ):
    hashes = set()
    for run in sweep():
      config = polygons.get_config(run.pop("variant"))
      config = members.with_fields(config, run)
      for member in members.expand(config):
        settings.check(member)
        TASKS[member.task](member.to_dict())
        hashes.add(settings.config_hash(settings.as_json(member)))
    counts[sweep.__name__] = len(hashes)
  # Models, sizes and seeds.
  assert counts == {
    "table5_1": 6 * 3,
    "table5_2": 3 * 6 * 3,
    "table5_3": 3 * 6 * 3,
    "encoders": 2 * 3 * 2 * 3,
    "latent": 2 * 4 * 3,
    "relaxation": 4 * 3,
  }
