"""Graph property prediction on OGB's molecules.

Reproduces: OGB's baselines on ogbg-mol* (Hu et al. 2020) and the setting of
  "Equilibrium Aggregation" (Bartunov et al. 2022), section 5.3, Table 2.
Published, ogbg-molpcba, test AP: GCN .2020, GIN .2266 (mean readout).
Published, ogbg-molhiv, test ROC-AUC: GCN .7606 +- .0097, GIN .7558 +- .0140.
Cost: one epoch of ogbg-molhiv (33,524 graphs), GCN, about half a minute on two
  cores; ogbg-molpcba is ten times that.
Command:
  python -m launch.train --config=configs/molpcba.py:gcn,sum --workdir=DIR
  python -m launch.train --config=configs/molpcba.py:gin,virtual_node,mean \
    --config.dataset=ogbg-molhiv --config.num_epochs=20 --workdir=DIR

The variant is MESSAGE_PASSING[,virtual_node],READOUT[,paper]: `gcn`, `gin` or
`equilibrium` (Equilibrium Aggregation of the messages as well), any readout by
name, and `paper` for the batches of Bartunov et al. (up to 8 graphs and 1024
nodes) instead of OGB's 32 graphs.
"""

import difflib

import ml_collections
from ml_collections import config_dict

MESSAGE_PASSING = ("gcn", "gin", "equilibrium")

# The arguments that each readout takes from the paper.
READOUTS = {
  "attention": {"num_heads": 4},
  "equilibrium": {"num_steps": 15, "aux_weight": 1.0},
  "pna": {"delta": None},  # A number; None: measured on the training set.
}


def get_config(variant: str = "gcn,sum") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `gin,virtual_node,attention`."""
  words = [word.strip() for word in variant.split(",")]
  names = [word for word in words if word != "paper"]
  passing, *options = names[:-1] or [""]
  valid = [MESSAGE_PASSING, *(("virtual_node",) for _ in options)]
  for name, known in zip([passing, *options], valid, strict=True):
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      hint = f" Did you mean {near[0]!r}?" if near else ""
      raise ValueError(
        f"Unknown variant {variant!r}.{hint} Write MESSAGE_PASSING"
        "[,virtual_node],READOUT[,paper] with MESSAGE_PASSING one of"
        f" {', '.join(MESSAGE_PASSING)}."
      )
  readout = names[-1]

  config = ml_collections.ConfigDict()
  config.dataset = "ogbg-molpcba"
  config.seed = 0
  # For a dataset of your own, --config.dataset=FILE.csv. Empty: by looking.
  config.csv = ml_collections.ConfigDict(
    {
      "smiles_column": "smiles",
      "label_columns": "",  # Names with commas between; all numeric columns.
      "task_type": "",  # binary, multiclass or regression.
      "metric": "",  # ap, rocauc, rmse, mae or accuracy.
      "on_invalid": "error",  # Or "skip".
    }
  )

  config.model = ml_collections.ConfigDict()
  config.model.message_passing = ml_collections.ConfigDict(
    {
      "name": "aggregate" if passing == "equilibrium" else passing,
      "num_layers": 5,
      "width": 300,
      "dropout": 0.5,
      "virtual_node": "virtual_node" in options,
      "jumping": "last",
    }
  )
  if passing == "equilibrium":
    config.model.message_passing.aggregator = ml_collections.ConfigDict(
      {"name": passing, "num_steps": 15, "aux_weight": 1e-4}
    )
  config.model.readout = ml_collections.ConfigDict(
    {"name": readout, "aux_weight": 0.0}
  )
  for argument, value in READOUTS.get(readout, {}).items():
    if value is None:  # So that the command line takes a number for it.
      value = config_dict.placeholder(float)
    config.model.readout[argument] = value

  config.batching = ml_collections.ConfigDict(
    {
      "mode": "bucketed",  # Or "paper": up to batch_size graphs, max_nodes.
      "batch_size": 32,
      "max_nodes": 1024,  # Paper mode only.
      "num_buckets": 4,
    }
  )
  if "paper" in words:
    config.batching.update(mode="paper", batch_size=8)

  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-3,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 0
  config.num_epochs = 100.0  # More than 0: used instead of num_steps.
  config.eval_every = 0  # Steps; 0: once per epoch.
  config.eval_batch_size = 128
  config.checkpoint_every = 0  # Steps; 0: with every evaluation.
  config.log_every = 50
  config.tensorboard = True
  config.note = ""  # What was reduced; printed beside the result.
  return config.lock()
