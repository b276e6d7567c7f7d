"""Two checkpoints on the same split: which is the better one?"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnn_readout.data import identity
from gnn_readout.runs.progress import counting
from gnn_readout.statistics import bootstrap
from gnn_readout.training.evaluation import Evaluation


def compare_evaluations(
  a: Evaluation, b: Evaluation, num_resamples: int = 1000, seed: int = 0
) -> bootstrap.Comparison:
  """Compares two checkpoints by a paired bootstrap over graphs.

  Shows progress, as it takes minutes for tens of thousands of graphs with a
  hundred tasks.

  Args:
    a: A checkpoint's predictions.
    b: Another one's, for the same split of the same dataset.
    num_resamples: How many.
    seed: Seed of the resamples.

  Returns:
    The difference of their metric, A minus B, and its interval.

  Raises:
    ValueError: If dataset, split, metric, graphs or labels are not the same;
      or as `bootstrap.compare`.
  """
  _check_same(a, b)
  with counting(num_resamples, "resamples") as show:
    return bootstrap.compare(
      a.metric,
      a.predictions.labels,
      a.predictions.logits,
      b.predictions.logits,
      num_resamples,
      seed,
      show,
    )


def describe(
  a: Evaluation,
  b: Evaluation,
  workdir: str,
  num_resamples: int,
  seed: int,
) -> dict[str, Any]:
  """Compares two checkpoints, prints the result and returns it.

  Args:
    a: A checkpoint's predictions.
    b: Another one's.
    workdir: The folder of the other.
    num_resamples: As `compare_evaluations` takes it.
    seed: As `compare_evaluations` takes it.
  """
  compared = compare_evaluations(a, b, num_resamples, seed)
  print(compared, flush=True)
  return {"workdir": workdir, "seed": seed, **compared.summary()}


def _check_same(a: Evaluation, b: Evaluation) -> None:
  """Raises ValueError that names the first thing that is not the same."""
  for what in ("dataset", "split", "metric"):
    ours, other = getattr(a, what), getattr(b, what)
    if ours != other:
      raise ValueError(
        f"cannot compare: the {what} of A is {ours!r} and that of B is"
        f" {other!r}"
      )
  ours, other = a.predictions, b.predictions
  if ours is None:
    raise ValueError(
      f"cannot compare: {a.dataset} draws its examples, and only predictions"
      " for the same graphs can be compared"
    )
  if not np.array_equal(ours.index, other.index):
    raise ValueError(
      f"cannot compare: split {a.split!r} of {a.dataset} holds different"
      f" graphs for A ({len(ours.index)}) and B ({len(other.index)})"
    )
  same = (ours.labels == other.labels) | (
    np.isnan(ours.labels) & np.isnan(other.labels)
  )
  differ = np.flatnonzero(~same.all(axis=1))
  if len(differ):
    raise ValueError(
      f"cannot compare: the labels of {len(differ)} of {len(same)} graphs"
      f" differ between A and B; the first is graph {ours.index[differ[0]]} of"
      f" {a.dataset}"
    )
  if a.facts and b.facts:
    differ = identity.differences(a.facts, b.facts, ("for A", "for B"))
    if differ:
      raise ValueError(
        f"cannot compare: the data of A and B differ: {'; '.join(differ)}"
      )
