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

The variant is MESSAGE_PASSING[,virtual_node],READOUT[,paper]: a layer by name,
such as `gcn` or `gin`, or `equilibrium` (Equilibrium Aggregation of the
messages as well); any readout by name; and `paper` for the batches of Bartunov
et al. (up to 8 graphs and 1024 nodes) instead of OGB's 32 graphs.

The sweeps are functions that yield overrides, one dict for each run: "variant"
is the argument of `get_config`, every other key a field with dots. They are
`table2` and, after the tables of appendix E, `ablation_steps`, `ablation_time`,
`ablation_aux` and `ablation_capacity`. All of these train for the config's 100
epochs of batches of 32 graphs, where the paper takes 1e7 steps of up to 8
graphs; only `ablation_time`, which counts steps, has the paper's batches.
`screens`, `screens_readouts` and `screens_short` are on `pubchem-hts24-small`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import ml_collections

from configs import common

VARIANT = "MESSAGE_PASSING[,virtual_node],READOUT[,paper]"

# The arguments that each readout takes from the paper.
READOUTS = {
  "attention": {"num_heads": 4},
  "equilibrium": {
    "num_steps": 15,
    "aux_weight": 1.0,
    "hidden": None,  # The width of the node embeddings.
    "capacity": 1.0,
    "adjoint": "unrolled",  # Or "implicit".
    "test_num_steps": None,  # None: as in training.
  },
}

LEARNING_RATES = (1e-4, 3e-4, 1e-3)
# For the ablations. Their tables do not say which learning rate they used, nor
# whether it was tuned for every line. With a single rate, only what is ablated
# varies; the middle one of the paper's three is safe for all lines.
ABLATION_RATE = 3e-4


def get_config(variant: str = "gcn,sum") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `gin,virtual_node,attention`."""
  words = common.parse_variant(variant, VARIANT)
  passing = words["MESSAGE_PASSING"]

  config = ml_collections.ConfigDict()
  config.dataset = "ogbg-molpcba"
  config.seed = 0
  # For your own --config.dataset=FILE.csv; what is empty is found in the file.
  config.csv = ml_collections.ConfigDict(
    {
      "smiles_column": "smiles",
      "label_columns": "",  # Names, separated by commas.
      "split_column": "",  # Holds train, valid or test.
      "id_column": "",  # Names the molecules in predictions.
      "task_type": "",  # binary, multiclass or regression.
      "metric": "",  # See docs/training.md; empty: the usual one.
      "on_invalid": "error",  # Or "skip".
      "split_by": "",  # Without such a column: scaffold, or ogb_scaffold.
    }
  )

  config.model = ml_collections.ConfigDict()
  config.model.message_passing = ml_collections.ConfigDict(
    {
      "name": "aggregate" if passing == "equilibrium" else passing,
      "num_layers": 5,
      "width": 300,
      "dropout": 0.5,
      "virtual_node": words["virtual_node"],
      "jumping": "last",
    }
  )
  if passing == "equilibrium":
    config.model.message_passing.aggregator = ml_collections.ConfigDict(
      {"name": passing, "num_steps": 15, "aux_weight": 1e-4}
    )
  config.model.readout = common.readout(words["READOUT"], READOUTS)

  config.batching = ml_collections.ConfigDict(
    {
      "mode": "bucketed",  # Or "paper": up to batch_size graphs, max_nodes.
      "batch_size": 32,
      "max_nodes": 1024,  # Paper mode only.
      "num_buckets": 4,
    }
  )
  if words["paper"]:
    config.batching.update(mode="paper", batch_size=8)

  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-3,
      "schedule": "constant",  # Others, and options: docs/training.md.
      "warmup_steps": 0,
    }
  )
  config.num_steps = 0
  # If positive, it replaces num_steps. On a command line the one that is given
  # counts.
  config.num_epochs = 100.0
  config.eval_every = 0  # In steps; 0: once per epoch.
  config.eval_batch_size = 128
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.log_every = 50
  config.tensorboard = True
  # Fields and their values, all combinations of which are trained as one
  # program: "seed=0,1,2 optimizer.learning_rate=1e-4,1e-3".
  config.population = ""
  # Devices that share a batch, each with some of its graphs; 0: one device, or
  # one of each process.
  config.num_devices = 0
  config.note = ""  # Reduced settings; printed beside the result.
  return config.lock()


def table2() -> Iterator[dict[str, Any]]:
  """Table 2: readouts on GCN and GIN, and equilibria at both levels.

  Each with the paper's three learning rates, 27 runs in all; the row of the
  table is the one with the best validation score.
  """
  variants = [
    f"{passing},{readout}"
    for passing in ("gcn", "gin")
    for readout in ("sum", "attention", "pna", "equilibrium")
  ]
  for variant in (*variants, "equilibrium,equilibrium"):
    for rate in LEARNING_RATES:
      yield {"variant": variant, "optimizer.learning_rate": rate}


_COMPARED = (
  *("sum", "mean", "attention", "pna", "fspool", "optimal_transport"),
  "equilibrium",
)

# Of molecules of ogbg-molpcba's kind, so narrow and so short that two cores can
# do it: 64 wide, 20 epochs with a falling rate.
_SCREENS = {
  "dataset": "pubchem-hts24-small",
  "batching.batch_size": 128,
  "model.message_passing.width": 64,
  "model.message_passing.dropout": 0.1,
  "num_epochs": 20.0,
  "optimizer.schedule": "cosine",
  "eval_batch_size": 256,
}
_SHORT = {**_SCREENS, "num_epochs": 3.0, "population": "seed=0,1"}


def screens() -> Iterator[dict[str, Any]]:
  """Table 2 on 24 screens of PubChem: seven readouts on GCN and on GIN.

  `pubchem-hts24-small` has molecules of ogbg-molpcba's kind, and other tasks.
  The paper's three learning rates, one seed.
  """
  for passing in ("gcn", "gin"):
    for readout in _COMPARED:
      for rate in LEARNING_RATES:
        yield {
          "variant": f"{passing},{readout}",
          **_SCREENS,
          "optimizer.learning_rate": rate,
        }


def screens_readouts(
  readout_names: Sequence[str],
) -> Iterator[dict[str, Any]]:
  """Every readout of the table on GCN: the same for 3 epochs, two seeds."""
  for readout in readout_names:
    yield {"variant": f"gcn,{readout}", **_SHORT}


def screens_short() -> Iterator[dict[str, Any]]:
  """Table 2's other rows as short: GIN, and equilibria at both levels.

  In 15 inner steps at every layer an epoch takes an hour of two cores; here the
  messages have two.
  """
  for readout in _COMPARED:
    yield {"variant": f"gin,{readout}", **_SHORT}
  yield {
    "variant": "equilibrium,equilibrium",
    **_SHORT,
    "model.message_passing.aggregator.num_steps": 2,
  }


def ablation_steps() -> Iterator[dict[str, Any]]:
  """Table E.1: GCN and equilibrium readout with 1, 2, 5 and 10 inner steps."""
  for steps in (1, 2, 5, 10):
    yield {
      "variant": "gcn,equilibrium",
      "optimizer.learning_rate": ABLATION_RATE,
      "model.readout.num_steps": steps,
    }


def ablation_time() -> Iterator[dict[str, Any]]:
  """Table E.2: time of a training step, sum against 2, 5 and 10 inner steps.

  The paper does not say the model; this is GCN, with the paper's batches. It
  gives hours for 2,000,000 steps, these runs are 2,000: what counts in their
  records is `steps_per_second`, without compilation and evaluation, and not the
  score.
  """
  for steps in (None, 2, 5, 10):
    readout = "equilibrium" if steps else "sum"
    run = {
      "variant": f"gcn,{readout},paper",
      "optimizer.learning_rate": ABLATION_RATE,
      "num_epochs": 0.0,
      "num_steps": 2000,
      "note": "for its speed: 2,000 of the 2,000,000 steps of E.2",
    }
    yield {**run, "model.readout.num_steps": steps} if steps else run


def ablation_aux() -> Iterator[dict[str, Any]]:
  """Table E.3: GIN and equilibrium readout, five weights of the inner loss."""
  for weight in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
    yield {
      "variant": "gin,equilibrium",
      "optimizer.learning_rate": ABLATION_RATE,
      "model.readout.aux_weight": weight,
    }


def ablation_capacity() -> Iterator[dict[str, Any]]:
  """Table E.4: GCN and equilibrium readout, c times the potential's widths.

  The potential has the widths [600 c, 300 c, 32] for c = 0.1, 0.3, 0.6, 1 and
  1.3: [600, 300, 32] is that of section 5.3, and c its factor in the number of
  embeddings, so that the number of weights grows about as c^2. The paper made
  the rest of the network smaller and does not say by how much; here the node
  embeddings, and with them the minimiser y and what the potential takes in,
  have 100 numbers instead of 300, in 5 layers as ever.
  """
  for capacity in (0.1, 0.3, 0.6, 1.0, 1.3):
    yield {
      "variant": "gcn,equilibrium",
      "optimizer.learning_rate": ABLATION_RATE,
      "model.message_passing.width": 100,
      "model.readout.hidden": 300,
      "model.readout.capacity": capacity,
    }
