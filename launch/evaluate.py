"""Scores a checkpoint of a run on one split, or compares two runs.

python -m launch.evaluate --workdir=runs/gcn_sum --split=test
python -m launch.evaluate --workdir=runs/mine --predictions=predictions.csv
python -m launch.evaluate --workdir=runs/gcn_attention --compare=runs/gcn_sum

The last command scores both runs and gives the confidence interval of their
difference, by a paired bootstrap over the graphs of the split. The interval
does not cover variation between training seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_WORKDIR = cli.define_workdir(
  "Folder of the run; for a population, the folder of one of its members."
)
_SPLIT = flags.DEFINE_string(
  "split", "test", "Score this split: train, valid or test."
)
_CHECKPOINT = flags.DEFINE_string(
  "checkpoint",
  "best",
  "Score this checkpoint: best (the best on validation) or latest.",
)
_METRIC = flags.DEFINE_string(
  "metric",
  None,
  "Score by this metric, such as rocauc, instead of the dataset's own.",
)
_PREDICTIONS = flags.DEFINE_string(
  "predictions",
  None,
  "Write the predictions to this .csv, .parquet or .npz file (default: they"
  " are not written).",
)
_COMPARE = flags.DEFINE_string(
  "compare",
  None,
  "Compare with the run in this folder by a paired bootstrap (default: no"
  " comparison).",
)
_RESAMPLES = flags.DEFINE_integer(
  "resamples", 1000, "Number of bootstrap resamples of --compare.", 1
)
_SEED = flags.DEFINE_integer(
  "seed", 0, "Random seed of the bootstrap of --compare.", 0
)
_JSON = flags.DEFINE_bool(
  "json", False, "Print the result as one line of JSON at the end."
)
_DATASET = flags.DEFINE_string(
  "dataset",
  None,
  "Read the run's dataset from here, such as a file that was moved"
  " (default: where it was in training).",
)
_DATA_DIR = cli.define_data_dir()
_CACHE_DIR = cli.define_cache_dir()


def main(argv: Sequence[str]) -> None:
  """Scores what the flags name."""
  del argv
  from gnn_readout.training import compare, evaluation

  given = (_SPLIT, _CHECKPOINT, _DATA_DIR, _CACHE_DIR, _METRIC, _DATASET)
  wanted = [flag.value for flag in given]
  result = evaluation.score(_WORKDIR.value, _PREDICTIONS.value, *wanted)
  summary = result.summary()
  if _COMPARE.value:
    other = evaluation.score(_COMPARE.value, None, *wanted)
    summary["comparison"] = compare.describe(
      result, other, _COMPARE.value, _RESAMPLES.value, _SEED.value
    )
  if _JSON.value:
    print(json.dumps(summary), flush=True)


if __name__ == "__main__":
  cli.run(main)
