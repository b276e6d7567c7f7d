"""Objects of synthetic scenes, predicted from a picture: DSPN, MLP and LSTM.

Reproduces: the order of the rows of tables 6.2 to 6.5, A.2 and A.4 in
  Y. Zhang's thesis, on a stand-in: its pictures are CLEVR's, ours circles,
  squares and triangles.
Published on CLEVR, average precision of boxes (table A.2) and of states (tables
  6.4 and 6.5) in percent:
                      AP50   AP70   AP90    AP_inf   AP_1   AP_0.5
  mlp                 87.6   48.1     .1       3.6    1.5       .8
  lstm                85.8   43.9     .2       4.0    1.8       .9
  dspn, 10 steps      94.0   82.2   16.0      72.8   59.2     39.0
  dspn, 20 steps      98.0   83.0   12.3      84.0   80.0     57.0
  dspn, 30 steps      95.9   74.8    9.4      85.2   81.1     47.4
  dspn, sum, 10                              44.6   21.9      7.1
  dspn, max, 10                               3.0     .9       .5
Cost: on two busy cores .9 seconds a step of boxes and DSPN, half an hour a run.
  On one core 24 to 32 steps/s without pairs of objects, as in `tables6`, and 57
  of an MLP: one to three minutes a run.
Command:
  python -m launch.train --config=configs/scenes.py:box,dspn --workdir=DIR

The variant is TARGET,DECODER[,READOUT]: the boxes of objects, or their states,
which are positions and attributes; dspn, mlp or lstm; and what the encoder
pools pairs of objects with instead of FSPool. One run is scored after each of
`model.test_num_steps`.

The sweep `tables6` has all decoders, and DSPN with FSPool, sum and max, of both
targets, and DSPN once more with the loss of the last step alone, all of them
without pairs of objects. "variant" is
the argument of `get_config`, every other key a field with dots.

Differs from the paper: the pictures, their size, a network of three residual
blocks instead of a ResNet-34, and widths of 64 to 128 instead of 512.
"""

from collections.abc import Iterator
from typing import Any

import ml_collections

from configs import common

TARGETS = ("box", "state")
DECODERS = ("dspn", "mlp", "lstm")
READOUTS = {"fspool": {"num_knots": 21, "initialisation": "normal"}}
COMPARED = ("fspool", "sum", "max")
# What two cores can do: an encoder of single objects, a tenth of the work.
_SHORT = {
  "model.pairs": False,
  "num_steps": 3_000,
  "eval_every": 1_000,
  "num_eval_sets": 256,
}


def get_config(variant: str = "box,dspn") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `state,dspn,max`."""
  words = common.parse_variant(
    variant, "TARGET,DECODER[,READOUT]", TARGET=TARGETS, DECODER=DECODERS
  )

  config = ml_collections.ConfigDict()
  config.task = "scenes"
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.target = words["TARGET"]
  config.image_side = 32  # Pixels.
  config.min_objects = 3
  config.max_objects = 10
  config.num_slots = 10  # n
  config.loss = "hungarian"  # By Huber's function.
  config.loss_of_all_steps = True  # Or of the last one alone.
  config.representation_weight = 0.1  # lambda
  config.scores = ("hungarian",)  # Of squares; a run is judged by the first.

  config.model = ml_collections.ConfigDict()
  config.model.decoder = words["DECODER"]
  config.model.latent_size = 128  # L
  config.model.image_channels = (16, 32, 64)
  config.model.pairs = True  # Whether pairs of objects are pooled.
  config.model.element_widths = (128,)  # Of those that embed one; L follows.
  config.model.decoder_width = 256  # Of mlp and lstm.
  config.model.readout = common.readout(words["READOUT"] or "fspool", READOUTS)
  config.model.num_steps = 10  # T
  config.model.test_num_steps = (10, 20, 30)  # Scored after each.
  config.model.inner_learning_rate = 25.0  # eta, of a set.
  config.model.momentum = 0.0

  config.batch_size = 32  # Sets.
  config.chunk_size = 0  # Of them computed at a time; 0: all.
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-3,
      "schedule": "cosine",  # Or "constant".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 2_000
  config.eval_every = 500
  # Steps; 0: with every evaluation, unless saving took over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 1_024
  config.note = "synthetic scenes of coloured shapes in place of CLEVR"
  return config.lock()


def tables6() -> Iterator[dict[str, Any]]:
  """Tables 6.2 to 6.5, A.2 and A.4, on the stand-in, of single objects."""
  for target in TARGETS:
    for decoder in ("mlp", "lstm"):
      yield {"variant": f"{target},{decoder}", **_SHORT}
    for readout in COMPARED:
      yield {"variant": f"{target},dspn,{readout}", **_SHORT}
    last = {"loss_of_all_steps": False}
    yield {"variant": f"{target},dspn", **last, **_SHORT}
