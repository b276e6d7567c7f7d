"""Graphs of your own, with any features and labels; see docs/own-graphs.md.

Reproduces: nothing; a starting point whose sizes suit some thousand graphs.
Cost: of 1,000 graphs of 20 nodes, GIN, about a second an epoch on two cores.
Command:
  python -m launch.train --config=configs/graphs.py:gin,sum \
    --config.dataset=FOLDER --workdir=DIR
  python -m launch.crossval --config=configs/graphs.py:gin,sum \
    --config.dataset=FOLDER --protocol=errica2020 --workdir=DIR

FOLDER is what gnn_readout.data.from_arrays, from_jraph, from_networkx or
from_pyg wrote. --config.dataset_fn=MODULE:FUNCTION names a function instead,
that returns such a folder or a store.

The variant is MESSAGE_PASSING[,virtual_node],READOUT, as in configs/molpcba.py.
"""

import ml_collections

from configs import common, molpcba

VARIANT = "MESSAGE_PASSING[,virtual_node],READOUT"


def get_config(variant: str = "gin,sum") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `gcn,attention`."""
  common.parse_variant(variant, VARIANT)
  config = molpcba.get_config(variant)
  config.unlock()
  config.dataset = ""  # The folder, which must be given.
  config.model.message_passing.update(width=64, num_layers=4, dropout=0.0)
  config.model.head = ml_collections.ConfigDict(
    {"name": "mlp", "dropout_rate": 0.0}
  )
  # For a dataset without a split: the fold to test on, and how folds are made.
  config.fold = 0
  config.folds = ml_collections.ConfigDict(
    {
      "num_folds": 10,
      "seed": 0,
      # Selects the epoch: the "next" fold, a "holdout" of the others, or the
      # "test" fold itself.
      "validation": "next",
    }
  )
  # For launch.crossval: the grid of hyper-parameters, and the number of repeats
  # with other folds; 0: as many as the protocol has.
  config.grid = "optimizer.learning_rate=0.001,0.003"
  config.repeats = 0
  config.batching.num_buckets = 2
  config.num_epochs = 100.0
  config.tensorboard = False
  return config.lock()
