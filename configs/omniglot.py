"""Counting the classes among 16 images of Omniglot.

Reproduces: "Equilibrium Aggregation" (Bartunov et al. 2022), section 5.2,
  figure 4.
Published: no numbers, but curves of the accuracy in training and on new
  characters, in both of which equilibrium aggregation is above attention and
  sum.
Cost: 12 steps/s with sum or attention and 5.4 with equilibrium on two cores:
  100,000 steps 2.3 and 5.3 hours, evaluations included.
Command:
  python -m launch.download --dataset=omniglot --data_dir=DATA
  python -m launch.train --config=configs/omniglot.py:equilibrium \
    --data_dir=DATA --workdir=DIR

The variant is READOUT[,small]: any readout by name, and `small` for the two
small background sets (122 characters to train on) instead of the background and
evaluation sets (868). The classes of training, validation and test sets are
different characters; those of test sets are of different alphabets too.

The weight of the auxiliary loss, 1e-4, is that of the supplement, D.2: 1 is
MOLPCBA's alone.

Differs from the paper: it takes 1e7 steps. With this potential and elements of
unit variance the inner loop of equilibrium aggregation diverges at
initialisation; so the initial weights of its last layer are 0.3 times the usual
ones.

The sweeps `figure4` and `figure4_small` are functions that yield overrides, one
dict for each run: "variant" is the argument of `get_config`, every other key a
field with dots.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections

from configs import common

# The arguments that each readout takes from the paper.
READOUTS = {
  "attention": {"num_heads": 4},
  "equilibrium": {
    "widths": (512, 512, 32),
    "square_reduction": "sum",
    "num_steps": 10,
    "last_layer_scale": 0.3,
    "aux_weight": 1e-4,
    "adjoint": "unrolled",  # Or "implicit".
    "test_num_steps": None,  # None: as in training.
  },
}

LEARNING_RATES = (1e-4, 3e-4, 1e-3)
FIGURE4 = ("sum", "attention", "equilibrium")


def get_config(variant: str = "sum") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `equilibrium,small`."""
  words = common.parse_variant(variant, "READOUT[,small]")

  config = ml_collections.ConfigDict()
  config.task = "omniglot"
  config.dataset = "omniglot-small" if words["small"] else "omniglot"
  config.seed = 0
  # Fields and values, such as "seed=0,1 optimizer.learning_rate=0.001,0.0001":
  # all combinations are trained as one program.
  config.population = ""
  # A set has `set_size` images of 1 to `num_classes` characters.
  config.sets = ml_collections.ConfigDict({"set_size": 16, "num_classes": 10})

  config.model = ml_collections.ConfigDict()
  config.model.encoder = ml_collections.ConfigDict(
    {"channels": (16, 32, 64), "width": 256}
  )
  config.model.readout = common.readout(words["READOUT"], READOUTS)
  # Widths of the hidden layers; the last layer has `num_classes` outputs.
  config.model.output = ml_collections.ConfigDict({"widths": (128,)})

  config.batch_size = 8  # In sets.
  config.chunk_size = 0  # Sets computed at a time; 0: all.
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 3e-4,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 100_000
  config.eval_every = 5_000
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 4_000
  config.note = ""  # Reduced settings; printed beside the result.
  return config.lock()


def figure4() -> Iterator[dict[str, Any]]:
  """Figure 4b: three readouts, each with the paper's three learning rates."""
  rates = ",".join(map(str, LEARNING_RATES))
  for readout in FIGURE4:
    yield {
      "variant": readout,
      "population": f"optimizer.learning_rate={rates}",
    }


def figure4_small() -> Iterator[dict[str, Any]]:
  """Figure 4b on the two small background sets."""
  for run in figure4():
    yield run | {"variant": f"{run['variant']},small"}
