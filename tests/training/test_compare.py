"""Only predictions for the same labels of the same graphs are compared."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout import metrics
from gnn_readout.statistics import bootstrap
from gnn_readout.tasks.base import Scores
from gnn_readout.training import compare
from gnn_readout.training.evaluation import Evaluation, Predictions


@pytest.fixture
def evaluations() -> list[Evaluation]:
  """Two models' predictions for the same 31 graphs."""
  rng = np.random.default_rng(0)
  labels = (rng.random((31, 2)) < 0.4).astype(np.float32)
  labels[7, 1] = np.nan
  result = []
  for step in (11, 13):
    logits = rng.normal(size=labels.shape).astype(np.float32)
    value = metrics.evaluate("ap", labels, logits).value
    predictions = Predictions(np.arange(31) * 3, logits, labels.copy())
    result.append(
      Evaluation(
        "mine", "test", "ap", step, Scores({"ap": value}, {}), predictions
      )
    )
  return result


def test_is_the_comparison_of_their_predictions(evaluations):
  a, b = evaluations
  found = compare.compare_evaluations(a, b, num_resamples=37, seed=5)
  labels, logits = a.predictions.labels, a.predictions.logits
  expected = bootstrap.compare(
    "ap", labels, logits, b.predictions.logits, 37, seed=5
  )
  np.testing.assert_array_equal(found.differences, expected.differences)
  assert found[:7] == expected[:7]
  assert (found.value_a, found.value_b) == (a.value, b.value)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      {"dataset": "yours"},
      "the dataset of A is 'mine' and that of B is 'yours'",
    ),
    ({"split": "valid"}, "the split of A is 'test' and that of B is 'valid'"),
    ({"metric": "rocauc"}, "the metric of A is 'ap' and that of B is 'rocauc'"),
  ],
)
def test_what_differs_is_named(evaluations, change, message):
  a, b = evaluations
  with pytest.raises(ValueError, match=f"cannot compare: {message}"):
    compare.compare_evaluations(a, b._replace(**change))


def test_other_graphs_are_refused(evaluations):
  a, b = evaluations
  fewer = Predictions(*(column[1:] for column in b.predictions[:3]))
  message = "holds different graphs for A .31. and B .30."
  with pytest.raises(ValueError, match=message):
    compare.compare_evaluations(a, b._replace(predictions=fewer))


@pytest.mark.parametrize("label", [0.0, np.nan])
def test_other_labels_are_refused(evaluations, label):
  a, b = evaluations
  row = int(np.flatnonzero(b.predictions.labels[:, 1] == 1)[0])
  b.predictions.labels[row, 1] = label
  message = f"labels of 1 of 31 graphs .*; the first is graph {3 * row} "
  with pytest.raises(ValueError, match=message):
    compare.compare_evaluations(a, b)
