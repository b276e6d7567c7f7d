"""Sorting numbers by a learned order: PO-U, PO-LA and LinAssign.

Reproduces: number sorting, sections 4.4.1 and A.2.1 of Y. Zhang's thesis
  ("Learning Representations of Sets through Optimized Permutations", 2019).
Published: PO-U sorts all sets without a mistake, for 5 to 1,024 numbers, on
  [0, 1] as on all other intervals. Linear assignment makes mistakes at 120, and
  does not carry over to [1000, 1001] at 80.
Cost: on one core 37 steps/s at 10 numbers, seconds a run; at 120 on two cores
  0.7, and 1.4 with --config.num_devices=2 --config.chunk_size=4. Result at all
  N after 64 or 128 steps: all sets of all intervals sorted, by either decoding.
Command:
  JAX_ENABLE_X64=1 python -m launch.train --config=configs/sorting.py:po_u \
    --config.set_size=80 --workdir=DIR

The variant is MODEL: `po_u` starts at the uniform matrix, `po_la` at a linear
map of each number, and `lin_assign` stays there. Intervals such as
[1000, 1001] need JAX_ENABLE_X64=1, since in single precision there are too few
numbers in them.

The sweeps are `sizes`, N = 5 to 120; `large`, trained at 80 and tested at 512
and 1,024; `baselines`, the two other models; all of 64 or 128 steps. "variant"
is the argument of `get_config`, every other key a field with dots.

Differs from the paper: beside the published decoding, by the Hungarian method
on -P, there is that on -log P, which does not feel that rows sum to 1 nearly.
Sets of 512 and 1,024 are for testing alone, where training takes hours.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections
from ml_collections import config_dict

from configs import common

MODELS = ("po_u", "po_la", "lin_assign")
SIZES = (5, 10, 15, 80, 100, 120)
# Intervals, as pairs of bounds.
INTERVALS = (
  0.0, 1.0, 0.0, 10.0, 0.0, 1000.0, 1.0, 2.0, 10.0, 11.0, 100.0, 101.0,
  1000.0, 1001.0,
)  # fmt: skip


def get_config(variant: str = "po_u") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `po_la`."""
  word = common.parse_variant(variant, "MODEL", MODEL=MODELS)["MODEL"]

  config = ml_collections.ConfigDict()
  config.task = "sorting"
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.set_size = 10  # N
  config.test_set_size = config_dict.placeholder(int)  # None: as in training.
  config.intervals = INTERVALS

  config.model = ml_collections.ConfigDict()
  config.model.name = word
  config.model.start = "uniform" if word == "po_u" else "linear"
  config.model.width = 16  # H
  config.model.num_steps = 0 if word == "lin_assign" else 6  # T
  config.model.num_rounds = 4  # Rounds of Sinkhorn's scaling.

  config.batch_size = 512  # In sets.
  config.chunk_size = 16  # Sets computed at a time; 0: all.
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 0.1,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 512
  config.eval_every = 256
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 512
  config.note = ""  # Reduced settings; printed beside the result.
  return config.lock()


def sizes() -> Iterator[dict[str, Any]]:
  """PO-U at every size of the authors' program."""
  for size in SIZES:
    yield {"variant": "po_u", "set_size": size, **_length(size)}


def large() -> Iterator[dict[str, Any]]:
  """PO-U trained on 80 numbers and tested on more."""
  for size in (512, 1024):
    yield {
      "variant": "po_u",
      "set_size": 80,
      "test_set_size": size,
      **_length(80),
      "num_eval_sets": 16,
      "chunk_size": 2,
    }


def baselines() -> Iterator[dict[str, Any]]:
  """What PO-U is compared with, at four sizes."""
  for variant in MODELS[1:]:
    for size in (5, 15, 80, 120):
      yield {"variant": variant, "set_size": size, **_length(size)}


def _length(size: int) -> dict[str, int]:
  """Returns how long a run of a sweep is: PO-U sorts all sets before that."""
  if size < 80:
    return {"num_steps": 128, "eval_every": 64}
  return {"num_steps": 64, "eval_every": 64, "num_eval_sets": 256}
