"""Auto-encoders of rotating polygons.

Reproduces: the first experiment of FSPool (Zhang et al. 2020; section 5.6.1 of
  Y. Zhang's thesis), tables 5.1-5.3 there.
Published, Hungarian loss in hundredths for 2, 4, 8, 16, 32, 64 points:
  fspool,direct  .000  .001  .000  .000  .000  .001
  mlp,chamfer    .595  .885  .137  .641  .160  .285
  mlp,hungarian  .758  .200  .126  .634  .163  .040
  by chance    36.424 9.933 2.556  .635  .161  .041
Cost: one run, on two cores, 1 to 3 seconds for 2, 4 and 8 points, 10 for 16, 20
  for 32 and 60 to 80 for 64. `table5_2`, three seeds of all, is an estimated 20
  minutes, two thirds of them for 64 points.
Command:
  python -m launch.train --config=configs/polygons.py:fspool,direct \
    --config.num_points=8 --workdir=DIR

The variant is MODEL,LOSS[,READOUT]: `fspool` is the auto-encoder with FSPool
and FSUnpool, `mlp` has a decoder with a fixed output for every point. The loss
is `direct` (rows as they are, for what keeps their order), `chamfer` or
`hungarian`. READOUT is what the encoder of `mlp` pools with instead of FSPool.

The sweeps are functions that yield overrides, one dict for each run: "variant"
is the argument of `get_config`, every other key a field with dots. They are
`table5_1`, `table5_2` and `table5_3`, whose runs are partly the same, and
`encoders`, `latent` and `relaxation`, of which the thesis has a sentence each.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections
from ml_collections import config_dict

from configs import common

MODELS = ("fspool", "mlp")
LOSSES = ("direct", "chamfer", "hungarian")
# The temperature is the program's, the thesis has none.
READOUTS = {"fspool": {"num_knots": 20, "temperature": 1.0}}
SIZES = (2, 4, 8, 16, 32, 64)


def get_config(variant: str = "fspool,direct") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `mlp,chamfer`."""
  words = common.parse_variant(
    variant, "MODEL,LOSS[,READOUT]", MODEL=MODELS, LOSS=LOSSES
  )

  config = ml_collections.ConfigDict()
  config.task = "polygons"
  config.seed = 0
  config.num_points = 8
  config.loss = words["LOSS"]

  config.model = ml_collections.ConfigDict()
  config.model.width = 16
  config.model.latent_size = 1
  # A number replaces the encoder's output by this constant.
  config.model.latent_value = config_dict.placeholder(float)
  config.model.readout = common.readout(words["READOUT"] or "fspool", READOUTS)
  if config.model.readout.name == "fspool":  # The relaxed one has no loss.
    del config.model.readout.aux_weight
  config.model.decoder = words["MODEL"]

  config.batch_size = 16
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict({"learning_rate": 1e-3})
  config.num_steps = 10240
  config.eval_every = 1024
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 1024
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.note = ""  # Reduced settings; printed beside the result.
  return config.lock()


def table5_1() -> Iterator[dict[str, Any]]:
  """Table 5.1: the direct loss, for which only FSUnpool has an order."""
  yield from _sizes("fspool,direct")


def table5_2() -> Iterator[dict[str, Any]]:
  """Table 5.2: the Chamfer loss of the three models."""
  for variant in ("fspool,direct", "mlp,chamfer", "mlp,hungarian"):
    yield from _sizes(variant)


def table5_3() -> Iterator[dict[str, Any]]:
  """Table 5.3: the Hungarian loss, of the same runs as table 5.2."""
  yield from table5_2()


def encoders() -> Iterator[dict[str, Any]]:
  """Other readouts before the MLP, which fails at 16 points in the thesis."""
  for loss in ("chamfer", "hungarian"):
    for readout in ("sum", "mean", "max"):
      yield from _sizes(f"mlp,{loss},{readout}", (4, 16))


def latent() -> Iterator[dict[str, Any]]:
  """No latent vector, but 0 or 1 in its place.

  With 0 the thesis cannot train, and infers that the latent vector is used. But
  with 0 and biases of 0 all of the decoder is 0, where the ReLU has no gradient
  either. With 1 it trains, and reconstructs as well as ever: at this
  temperature the relaxed permutation tells the rotation.
  """
  for value in (0.0, 1.0):
    for run in _sizes("fspool,direct", (2, 4, 8, 16)):
      yield run | {"model.latent_value": value}


def relaxation() -> Iterator[dict[str, Any]]:
  """The true sort, whose jumps the thesis found to be a problem."""
  for run in _sizes("fspool,direct", (2, 4, 8, 16)):
    yield run | {"model.readout.temperature": 1e-6}


def _sizes(
  variant: str, sizes: tuple[int, ...] = SIZES
) -> Iterator[dict[str, Any]]:
  """Three seeds as one program for each number of points."""
  for size in sizes:
    yield {"variant": variant, "num_points": size, "population": "seed=0,1,2"}
