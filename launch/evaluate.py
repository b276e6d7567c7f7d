"""Scores a checkpoint of a run on one split, or compares it with another's.

python -m launch.evaluate --workdir=runs/gcn_sum --split=test
python -m launch.evaluate --workdir=runs/gcn_attention --compare=runs/gcn_sum

The second scores both and says how sure their difference is: a paired bootstrap
over the graphs of the split. It tells nothing about other seeds of training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The folder of the run.", required=True
)
_SPLIT = flags.DEFINE_string("split", "test", "train, valid or test.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best or latest.")
_METRIC = flags.DEFINE_string(
  "metric", None, "Another one than the dataset's: ap, rocauc, rmse or mae."
)
_PREDICTIONS = flags.DEFINE_string(
  "predictions", None, "Where to write graph_index, logits, labels as .npz."
)
_COMPARE = flags.DEFINE_string("compare", None, "The folder of another run.")
_RESAMPLES = flags.DEFINE_integer(
  "resamples", 1000, "How many resamples the comparison draws.", 1
)
_SEED = flags.DEFINE_integer("seed", 0, "The seed of the resamples.", 0)
_JSON = flags.DEFINE_bool("json", False, "End with one line of JSON.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "The data folder.")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "Converted data.")


def main(argv: Sequence[str]) -> None:
  """Scores what the flags name."""
  del argv
  from gnn_readout.training import compare, evaluation

  wanted = [
    flag.value for flag in (_SPLIT, _CHECKPOINT, _DATA_DIR, _CACHE_DIR, _METRIC)
  ]
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
