"""Scores a checkpoint of a run on one split, or compares it with another's.

python -m launch.evaluate --workdir=runs/gcn_sum --split=test
python -m launch.evaluate --workdir=runs/gcn_attention --compare=runs/gcn_sum

The second scores both and says how sure their difference is: a paired bootstrap
over the graphs of the split. It tells nothing about other seeds of training.
"""

from __future__ import annotations

import io
import json
import os
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
_COMPARE = flags.DEFINE_string(
  "compare", None, "The folder of another run, to compare the first with."
)
_RESAMPLES = flags.DEFINE_integer(
  "resamples", 1000, "Resamples of the comparison.", 1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the resamples.", 0)
_JSON = flags.DEFINE_bool("json", False, "End with one line of JSON.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "The data folder.")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "Converted data.")


def main(argv: Sequence[str]) -> None:
  """Scores what the flags name."""
  del argv
  import numpy as np

  from gnn_readout import files
  from gnn_readout.training.compare import compare_evaluations
  from gnn_readout.training.evaluation import evaluate_checkpoint

  if _PREDICTIONS.value:  # Not found out after all the work.
    files.check_writable(os.path.dirname(_PREDICTIONS.value) or ".")
  wanted = {
    "split": _SPLIT.value,
    "checkpoint": _CHECKPOINT.value,
    "data_dir": _DATA_DIR.value,
    "cache_dir": _CACHE_DIR.value,
    "metric": _METRIC.value,
  }
  result = evaluate_checkpoint(_WORKDIR.value, **wanted)
  print(result, flush=True)
  summary = result.summary()
  if _PREDICTIONS.value:
    index, logits, labels = result.predictions
    file = io.BytesIO()
    np.savez(file, graph_index=index, logits=logits, labels=labels)
    files.atomic_write_bytes(_PREDICTIONS.value, file.getvalue())
  if _COMPARE.value:
    other = evaluate_checkpoint(_COMPARE.value, **wanted)
    print(other, flush=True)
    compared = compare_evaluations(result, other, _RESAMPLES.value, _SEED.value)
    print(compared, flush=True)
    summary["comparison"] = {
      "workdir": _COMPARE.value,
      "seed": _SEED.value,
      **compared.summary(),
    }
  if _JSON.value:
    print(json.dumps(summary), flush=True)


if __name__ == "__main__":
  cli.run(main)
