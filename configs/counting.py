"""Counting squares that overlap: the counting module, and every readout.

Reproduces: section 3.5.1 of Y. Zhang's thesis, figures 3.6 to 3.9 ("Learning to
  Count Objects in Natural Images for Visual Question Answering", 2018, section
  5.1).
Published: figures without numbers. The module is at least as good as the
  baseline nearly everywhere, far better where squares are large and scores
  without noise; both are equally bad where both are extreme.
Cost: on two busy cores 24 steps/s of the module, under a minute a run, and 510
  of the baseline. Result of this command: 99.7% of 20,480 sets, where that of
  the baseline is 67.7%.
Command:
  python -m launch.train --config=configs/counting.py:module \
    --config.side=0.5 --config.noise=0.0 --config.num_eval_sets=20480 \
    --workdir=DIR

The variant is MODEL: `module` is the counting module, `score_sum` the baseline
of the thesis, the sum of the scores; any other word a readout by name, between
two networks, which the thesis does not have.

The sweep `figure3_6` yields the runs of the figure, whose curves of f_1 to f_8
in the records are figures 3.7 to 3.9; `readouts` compares all the readouts at
side .5 without noise; `more_steps` tests with more inner steps than it trains
with. "variant" is the argument of `get_config`, every other key a field with
dots.

Differs from the paper: 21 values a panel instead of 101. The overlap of two
squares has no constant in its divisor, so that squares of side 0, which are
1e-6 wide, are counted right.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import ml_collections

from configs import common

MODULES = ("module", "score_sum")
# For each panel of figure 3.6: the field that varies, and the other's value.
PANELS = (
  ("side", {"noise": 0.0}),
  ("side", {"noise": 0.5}),
  ("noise", {"side": 0.0}),
  ("noise", {"side": 0.5}),
)
NUM_VALUES = 21
# Of a run of the figure: 99.4% where 1,000 steps give 99.7%.
_SHORT = {"num_steps": 400, "eval_every": 400, "num_eval_sets": 20_480}
READOUTS = {
  "equilibrium": {
    "last_layer_scale": 0.3,
    "aux_weight": 1e-4,
    "num_steps": 15,
    "test_num_steps": None,  # None: as in training.
  }
}


def get_config(variant: str = "module") -> ml_collections.ConfigDict:
  """Returns the config of a variant such as `module` or `attention`."""
  word = common.parse_variant(variant, "MODEL")["MODEL"]

  config = ml_collections.ConfigDict()
  config.task = "counting"
  config.seed = 0
  # Fields and their values: all combinations are trained as one program.
  config.population = ""
  config.set_size = 10  # n, the number of squares.
  config.side = 0.5  # l; the whole square has side 1.
  config.noise = 0.0  # q, the share of noise in the scores.

  config.model = ml_collections.ConfigDict()
  config.model.name = word if word in MODULES else "readout"
  if word not in MODULES:
    config.model.width = 64  # D, what a set is pooled to.
    config.model.element_widths = (64,)  # Widths before the last layer.
    config.model.head_widths = (64,)
    config.model.readout = common.readout(word, READOUTS)

  config.batch_size = 1024  # In sets.
  # Sets computed at a time, to fit a CPU's cache; 0 (all) suits a GPU.
  config.chunk_size = 64
  # Devices that share a batch; 0: one device, or one of each process.
  config.num_devices = 0
  config.optimizer = ml_collections.ConfigDict(
    {
      "learning_rate": 1e-2 if word in MODULES else 1e-3,
      "schedule": "constant",  # Or "cosine".
      "warmup_steps": 0,
    }
  )
  config.num_steps = 1_000
  config.eval_every = 1_000
  # In steps; 0 saves at each evaluation, unless that takes over 5% of the time.
  config.checkpoint_every = 0
  config.num_eval_sets = 204_800  # For validation, and as many for testing.
  config.note = ""  # Reduced settings; printed beside the result.
  return config.lock()


def figure3_6() -> Iterator[dict[str, Any]]:
  """Figure 3.6: both models against the side and against the noise."""
  for variant in MODULES:
    seen = set()
    for field, fixed in PANELS:
      for i in range(NUM_VALUES):
        run = {field: i / (NUM_VALUES - 1), **fixed}
        key = run["side"], run["noise"]
        if key not in seen:  # Panels share their corners.
          seen.add(key)
          yield {"variant": variant, **run, **_SHORT}


def readouts(readout_names: Sequence[str]) -> Iterator[dict[str, Any]]:
  """The module, the baseline and every readout, three seeds of each."""
  for variant in (*MODULES, *readout_names):
    yield {
      "variant": variant,
      "population": "seed=0,1,2",
      "num_steps": 500,
      "eval_every": 500,
      "num_eval_sets": 8_192,
    }


def more_steps() -> Iterator[dict[str, Any]]:
  """Equilibrium with fewer inner steps in training than in testing."""
  for steps, more in ((2, (None, 5, 10)), (5, (None, 10, 20))):
    for tested in more:
      run = {
        "variant": "equilibrium",
        "population": "seed=0,1,2",
        "batch_size": 256,
        "num_steps": 500,
        "eval_every": 500,
        "num_eval_sets": 8_192,
        "model.readout.num_steps": steps,
      }
      if tested:
        run["model.readout.test_num_steps"] = tested
      yield run
