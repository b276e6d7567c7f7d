"""Weights of labels, against scikit-learn's and PyTorch's."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import sklearn.metrics
from sklearn.utils import class_weight

from gnn_readout import losses

G, T, C = 31, 3, 4


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _binary():
  rng = np.random.default_rng(1)
  labels = (rng.random((G, T)) < [0.1, 0.5, 0.8]).astype(float)
  labels[rng.random((G, T)) < 0.3] = np.nan
  return labels, rng.normal(size=(G, T))


def _classes():
  rng = np.random.default_rng(2)
  labels = rng.choice(C, (G, 1), p=[0.6, 0.2, 0.1, 0.1]).astype(float)
  labels[4] = np.nan
  return labels, rng.normal(size=(G, C))


@pytest.mark.parametrize("class_weights", ["balanced", (1.0, 5.0), (0.0, 2.0)])
@pytest.mark.parametrize("task_weights", [(), (1.0, 0.0, 3.0)])
def test_binary_labels_count_as_in_sklearns_log_loss(
  class_weights, task_weights
):
  labels, logits = _binary()
  weights = losses.label_weights(
    "binary", labels, 0, class_weights, task_weights
  )
  known = ~np.isnan(labels)
  each = np.zeros((G, T))
  for t in range(T):
    own = labels[known[:, t], t]
    kind = class_weights
    if kind != "balanced":
      kind = dict(enumerate(kind))
    each[known[:, t], t] = class_weight.compute_sample_weight(kind, own)
    each[:, t] *= task_weights[t] if task_weights else 1
  expected = sklearn.metrics.log_loss(
    labels[known], 1 / (1 + np.exp(-logits[known])), sample_weight=each[known]
  )
  mask = np.ones(G, bool)
  found = losses.masked_loss("binary")(logits, labels, mask, weights)
  np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("given", ["balanced", (1.0, 2.0, 3.0, 0.0)])
def test_classes_count_as_in_torch(given):
  import torch

  labels, logits = _classes()
  weights = losses.label_weights("multiclass", labels, C, given)
  known = ~np.isnan(labels[:, 0])
  own = labels[known, 0].astype(int)
  if given == "balanced":
    given = class_weight.compute_class_weight(
      "balanced", classes=np.arange(C), y=own
    )
  np.testing.assert_allclose(weights, [given], rtol=1e-14)
  expected = torch.nn.functional.cross_entropy(
    torch.tensor(logits[known]),
    torch.tensor(own),
    torch.tensor(np.array(given)),
  )
  mask = np.ones(G, bool)
  found = losses.masked_loss("multiclass")(logits, labels, mask, weights)
  np.testing.assert_allclose(found, expected.item(), rtol=1e-12)


def test_tasks_of_a_regression():
  rng = np.random.default_rng(3)
  labels, values = rng.normal(size=(2, G, T))
  labels[rng.random((G, T)) < 0.3] = np.nan
  weights = losses.label_weights("regression", labels, 0, (), (1.0, 0.0, 4.0))
  each = np.where(np.isnan(labels), 0, [1.0, 0.0, 4.0])
  squares = np.nan_to_num(labels - values) ** 2
  expected = (each * squares).sum() / each.sum()
  mask = np.ones(G, bool)
  found = losses.masked_loss("regression")(values, labels, mask, weights)
  np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("task_type", ["binary", "multiclass", "regression"])
def test_weights_of_1_change_nothing_and_of_0_give_no_gradient(task_type):
  labels, logits = _classes() if task_type == "multiclass" else _binary()
  loss = losses.masked_loss(task_type)
  num_classes = {"binary": 2, "multiclass": C, "regression": 1}[task_type]
  ones = np.ones((labels.shape[1], num_classes))
  mask = np.arange(G) < 23
  plain = loss(logits, labels, mask)
  np.testing.assert_allclose(
    loss(logits, labels, mask, ones), plain, rtol=1e-14
  )
  value, gradient = jax.value_and_grad(loss)(logits, labels, mask, 0 * ones)
  assert value == 0 and not gradient.any()


def test_a_class_without_labels_has_no_balanced_weight():
  labels = np.array([[0.0], [2], [2], [2], [np.nan]])
  weights = losses.label_weights("multiclass", labels, 4, "balanced")
  np.testing.assert_allclose(weights, [[2, 0, 2 / 3, 0]])


@pytest.mark.parametrize(
  ("task_type", "weights", "message"),
  [
    (
      "multiclass",
      {"class_weights": (1, 2, 3, 4, 5)},
      "class_weights must be one weight for each of 4 classes, got 5: 1, 2, 3,"
      " 4, 5$",
    ),
    ("binary", {"class_weights": (2.5,)}, "each of 2 classes, got 1: 2.5$"),
    ("binary", {"task_weights": (1, 2)}, "each of 3 tasks, got 2: 1, 2$"),
    ("regression", {"class_weights": (1,)}, "not for regression"),
  ],
)
def test_weights_of_what_is_not_there(task_type, weights, message):
  labels, _ = _classes() if task_type == "multiclass" else _binary()
  with pytest.raises(ValueError, match=message):
    losses.label_weights(task_type, labels, C, **weights)
