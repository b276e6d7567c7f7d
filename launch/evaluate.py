"""Scores a checkpoint of a run on one split, or compares it with another's.

python -m launch.evaluate --workdir=runs/gcn_sum --split=test
python -m launch.evaluate --workdir=runs/mine --predictions=predictions.csv
python -m launch.evaluate --workdir=runs/gcn_attention --compare=runs/gcn_sum

The last scores both and says how sure their difference is: a paired bootstrap
over the graphs of the split. It tells nothing about other seeds of training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_WORKDIR = cli.define_workdir(
  "The folder of the run; of a population, that of one of its members."
)
_SPLIT = flags.DEFINE_string(
  "split", "test", "The split to score: train, valid or test."
)
_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", "best", "The checkpoint to score: best or latest."
)
_METRIC = flags.DEFINE_string(
  "metric",
  None,
  "Score by this metric, such as rocauc, instead of the dataset's own.",
)
_PREDICTIONS = flags.DEFINE_string(
  "predictions",
  None,
  "Write the predictions to this .csv, .parquet or .npz file.",
)
_COMPARE = flags.DEFINE_string(
  "compare", None, "Compare with the run in this folder, by a paired bootstrap."
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
  "dataset", None, "The run's dataset is this one now, such as a moved file."
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
