"""A small model on molecules made offline: minutes on a laptop.

Reproduces: nothing; shows what a comparison of readouts looks like.
Expected: test AP about 0.1 for a constant, and several times that after
  training.
Cost: seconds per readout on two cores; `equilibrium` about a minute, with 5
  inner steps instead of the paper's 15, which take more than twice that.
Command: make demo, or
  python -m launch.train --config=configs/demo.py:attention --workdir=DIR

The variant is READOUT.
"""

import ml_collections

from configs import molpcba

READOUTS = ("mean", "sum", "max", "attention", "equilibrium")


def get_config(readout: str = "sum") -> ml_collections.ConfigDict:
  """Returns the config of a readout."""
  config = molpcba.get_config(f"gcn,{readout}")
  config.dataset = "demo"
  config.model.message_passing.update(width=96, num_layers=3, dropout=0.2)
  if readout == "equilibrium":
    config.model.readout.num_steps = 5
  # One shape: a second one takes longer to compile than it saves.
  config.batching.num_buckets = 1
  config.num_epochs = 20.0
  config.eval_every = 375
  config.tensorboard = False
  config.note = "demo"
  return config
