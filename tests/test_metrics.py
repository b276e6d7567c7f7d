"""Losses against float64 sums, scores against OGB's Evaluator and sklearn."""

from __future__ import annotations

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics
from sklearn import dummy

from gnn_readout import losses, metrics
from tests.work import lines_of_python

NUM_GRAPHS, NUM_TASKS, NUM_CLASSES = 97, 13, 5
METRICS = ("ap", "rocauc", "rmse", "mae", "accuracy")


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


@pytest.fixture(scope="module")
def ogb_evaluator():
  """OGB's Evaluator; its look for a newer version online never happens."""
  with pytest.MonkeyPatch.context() as patch:
    quiet = types.ModuleType("outdated")
    quiet.check_outdated = lambda *_: (False, None)
    patch.setitem(sys.modules, "outdated", quiet)
    from ogb.graphproppred import Evaluator

    yield Evaluator


def _binary_case(seed: int, ties: bool, num_tasks: int = NUM_TASKS):
  """Labels with NaN and one-class tasks, logits with or without ties."""
  rng = np.random.default_rng(seed)
  shape = (NUM_GRAPHS, num_tasks)
  labels = (rng.random(shape) < rng.random(num_tasks)).astype(np.float64)
  labels[rng.random(shape) < 0.4] = np.nan
  labels[:, 0] = np.where(np.isnan(labels[:, 0]), np.nan, 0.0)
  if num_tasks > 2:
    labels[:, 1] = np.where(np.isnan(labels[:, 1]), np.nan, 1.0)
    labels[:, 2] = np.nan
  logits = rng.normal(size=shape)
  return labels, np.round(logits, 1) if ties else logits


# Losses


def test_binary_loss_is_the_mean_over_labelled_entries_of_real_graphs():
  labels, logits = _binary_case(0, ties=False)
  mask = np.arange(NUM_GRAPHS) < 83
  total, count = 0.0, 0
  for g in range(83):
    for t in range(NUM_TASKS):
      if not np.isnan(labels[g, t]):
        p = 1 / (1 + np.exp(-logits[g, t]))
        total -= np.log(p if labels[g, t] else 1 - p)
        count += 1
  loss = losses.masked_loss("binary")(logits, labels, mask)
  np.testing.assert_allclose(loss, total / count, rtol=1e-12)


def test_multiclass_loss_is_the_mean_negative_log_probability():
  rng = np.random.default_rng(1)
  logits = rng.normal(size=(11, NUM_CLASSES))
  labels = rng.integers(NUM_CLASSES, size=(11, 1)).astype(float)
  labels[3] = np.nan
  mask = np.arange(11) < 7
  rows = [g for g in range(7) if g != 3]
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  expected = -np.mean([np.log(p[g, int(labels[g, 0])]) for g in rows])
  loss = losses.masked_loss("multiclass")(logits, labels, mask)
  np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_regression_loss_is_the_mean_squared_error():
  rng = np.random.default_rng(2)
  labels, predictions = rng.normal(size=(2, 11, 3))
  labels[2, 1] = np.nan
  mask = np.arange(11) < 7
  expected = np.nanmean((predictions - labels)[:7] ** 2)
  loss = losses.masked_loss("regression")(predictions, labels, mask)
  np.testing.assert_allclose(loss, expected, rtol=1e-12)


@pytest.mark.parametrize("task_type", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_is_finite_and_zero_without_a_label(task_type, dtype):
  rng = np.random.default_rng(3)
  columns = 1 if task_type == "multiclass" else NUM_CLASSES
  logits = rng.normal(size=(11, NUM_CLASSES)).astype(dtype)
  labels = rng.integers(2, size=(11, columns)).astype(np.float32)
  labels[2] = np.nan
  mask = np.arange(11) < 7
  logits[8:] = np.nan  # Whatever a padding graph holds, it does not count.
  loss, gradient = jax.jit(jax.value_and_grad(losses.masked_loss(task_type)))(
    logits, labels, mask
  )
  assert loss.dtype == gradient.dtype == dtype
  assert np.isfinite(loss)
  assert np.isfinite(gradient).all()
  used = np.isin(np.arange(11), [0, 1, 3, 4, 5, 6])
  assert (gradient[~used] == 0).all()
  assert (gradient[used] != 0).all()


@pytest.mark.parametrize("task_type", ["binary", "multiclass", "regression"])
def test_a_batch_without_labels_gives_zero_loss_and_gradient(task_type):
  columns = 1 if task_type == "multiclass" else 3
  labels = np.full((5, columns), np.nan)
  loss, gradient = jax.value_and_grad(losses.masked_loss(task_type))(
    jnp.ones((5, 3)), labels, np.ones(5, bool)
  )
  assert loss == 0
  assert (gradient == 0).all()


def test_binary_loss_is_stable_where_the_model_is_sure():
  logits = np.float32([[0.0, 30.0, -30.0, 1e4, -1e4, 1e4, -1e4]])
  labels = np.float32([[1, 1, 0, 1, 0, 0, 1]])
  loss = losses.masked_loss("binary")
  one = np.ones(1, bool)
  each = [loss(logits[:, [i]], labels[:, [i]], one) for i in range(7)]
  sure = np.log1p(np.exp(-30.0))
  expected = [np.log(2), sure, sure, 0, 0, 1e4, 1e4]
  np.testing.assert_allclose(each, expected, rtol=1e-6)
  gradient = jax.grad(loss)(logits, labels, one) * 7
  expected = [-0.5, -np.exp(-30.0), np.exp(-30.0), 0, 0, 1, -1]
  np.testing.assert_allclose(gradient[0], expected, rtol=1e-5)


def test_losses_refuse_shapes_that_would_broadcast():
  mask = np.ones(7, bool)
  with pytest.raises(ValueError, match=r"labels of shape \(7, 1\)"):
    losses.masked_loss("binary")(np.zeros((7, 3)), np.zeros((7, 1)), mask)
  with pytest.raises(ValueError, match=r"labels of shape \(7, 3\)"):
    losses.masked_loss("multiclass")(np.zeros((7, 3)), np.zeros((7, 3)), mask)


def test_an_unknown_task_type_names_the_nearest():
  with pytest.raises(ValueError, match=r"'binari'.*Did you mean 'binary'"):
    losses.masked_loss("binari")


# Scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
  "metric, dataset, num_tasks",
  [
    ("ap", "ogbg-molpcba", 128),
    ("rocauc", "ogbg-moltox21", 12),
    ("rmse", "ogbg-mollipo", 1),
  ],
)
def test_scores_equal_ogb(
  ogb_evaluator, metric, dataset, num_tasks, seed, ties
):
  labels, logits = _binary_case(seed, ties, num_tasks)
  evaluator = ogb_evaluator(dataset)
  expected = evaluator.eval({"y_true": labels, "y_pred": logits})
  score = metrics.evaluate(metric, labels, logits)
  assert abs(score.value - expected[evaluator.eval_metric]) < 1e-12


@pytest.mark.parametrize("ties", [False, True])
def test_every_task_equals_sklearn(ties):
  labels, logits = _binary_case(7, ties)
  oracles = {
    "ap": sklearn.metrics.average_precision_score,
    "rocauc": sklearn.metrics.roc_auc_score,
  }
  for metric, oracle in oracles.items():
    expected = np.full(NUM_TASKS, np.nan)
    for task in range(NUM_TASKS):
      known = ~np.isnan(labels[:, task])
      if len(np.unique(labels[known, task])) == 2:
        expected[task] = oracle(labels[known, task], logits[known, task])
    score = metrics.evaluate(metric, labels, logits)
    np.testing.assert_allclose(score.per_task, expected, rtol=0, atol=1e-12)
    assert score.num_tasks_scored == np.isfinite(expected).sum() <= 10
    assert score.value == pytest.approx(np.nanmean(expected), abs=1e-12)


def test_errors_and_accuracy_equal_sklearn():
  rng = np.random.default_rng(8)
  labels, predictions = rng.normal(size=(2, NUM_GRAPHS, 1))
  for metric, oracle in (
    ("rmse", sklearn.metrics.root_mean_squared_error),
    ("mae", sklearn.metrics.mean_absolute_error),
  ):
    score = metrics.evaluate(metric, labels, predictions)
    assert score.value == pytest.approx(oracle(labels, predictions), abs=1e-14)
  classes = rng.integers(NUM_CLASSES, size=(NUM_GRAPHS, 1)).astype(float)
  logits = rng.normal(size=(NUM_GRAPHS, NUM_CLASSES))
  score = metrics.evaluate("accuracy", classes, logits)
  expected = sklearn.metrics.accuracy_score(classes[:, 0], logits.argmax(1))
  assert score.value == pytest.approx(expected, abs=1e-15)
  classes[:5] = np.nan
  known = metrics.evaluate("accuracy", classes[5:], logits[5:])
  assert metrics.evaluate("accuracy", classes, logits).value == known.value


def test_all_tied_logits_give_prevalence_and_one_half():
  labels = np.array([[1.0], [0.0], [0.0], [1.0], [0.0], [np.nan], [0.0]])
  logits = np.full((7, 1), 3.0)
  assert metrics.evaluate("ap", labels, logits).value == pytest.approx(2 / 6)
  assert metrics.evaluate("rocauc", labels, logits).value == 0.5


def test_unlabelled_rows_change_nothing_wherever_they_sort():
  labels, logits = _binary_case(9, ties=True)
  extra = np.array([[np.inf], [-np.inf], [0.0]]) * np.ones(NUM_TASKS)
  more_labels = np.concatenate([labels, np.full((3, NUM_TASKS), np.nan)])
  more_logits = np.concatenate([logits, extra])
  for metric in ("ap", "rocauc"):
    np.testing.assert_allclose(
      metrics.evaluate(metric, more_labels, more_logits).per_task,
      metrics.evaluate(metric, labels, logits).per_task,
      rtol=1e-14,
    )


@pytest.mark.parametrize("metric", ["ap", "rocauc"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_scores_take_logits_of_any_type(metric, dtype):
  labels, logits = _binary_case(10, ties=True)
  logits = (logits * 10 + 50).astype(dtype)
  score = metrics.evaluate(metric, labels.astype(np.float32), logits)
  expected = metrics.evaluate(metric, labels, logits.astype(np.float64))
  assert score.value == expected.value


def test_a_full_split_of_molpcba_takes_no_loop_over_molecules():
  rng = np.random.default_rng(11)
  logits = rng.normal(size=(43_793, 128)).astype(np.float32)
  labels = (rng.random(logits.shape) < 0.02).astype(np.float32)
  labels[rng.random(logits.shape) < 0.4] = np.nan
  few, all_of_them = (
    lines_of_python(lambda: metrics.evaluate("ap", labels[:n], logits[:n]))
    for n in (437, len(logits))
  )
  assert all_of_them <= few < 10_000


def test_no_task_qualifies():
  labels = np.zeros((7, 3))
  labels[:, 1] = np.nan
  for metric in ("ap", "rocauc"):
    with pytest.raises(ValueError, match="no task qualifies for"):
      metrics.evaluate(metric, labels, np.zeros((7, 3)))
  with pytest.raises(ValueError, match="of 1 task none has a label among 7"):
    metrics.evaluate("rmse", np.full((7, 1), np.nan), np.zeros((7, 1)))


@pytest.mark.parametrize("metric", METRICS)
def test_nan_logits_are_counted(metric):
  logits = np.zeros((7, 1))
  logits[2:5] = np.nan
  with pytest.raises(ValueError, match="3 of 7 logits are NaN"):
    metrics.evaluate(metric, np.zeros((7, 1)), logits)


@pytest.mark.parametrize("metric", METRICS)
def test_shapes_must_fit(metric):
  for labels, logits in (((7, 3), (7, 2)), ((5, 1), (7, 1)), ((7,), (7,))):
    with pytest.raises(ValueError, match=r"labels of shape .* do not fit"):
      metrics.evaluate(metric, np.zeros(labels), np.zeros(logits))


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_split_is_refused(metric):
  with pytest.raises(ValueError, match=r"nothing to score"):
    metrics.evaluate(metric, np.zeros((0, 1)), np.zeros((0, 1)))


def test_impossible_labels_are_named():
  with pytest.raises(ValueError, match="label 2 is not 0, 1 or NaN"):
    metrics.evaluate("ap", np.array([[0.0], [2.0]]), np.zeros((2, 1)))
  with pytest.raises(ValueError, match="label 3 is not a class number from 0"):
    metrics.evaluate("accuracy", np.array([[0.0], [3.0]]), np.zeros((2, 3)))


def test_an_unknown_metric_names_the_nearest():
  for function in (
    metrics.higher_is_better,
    lambda name: metrics.evaluate(name, np.zeros((1, 1)), np.zeros((1, 1))),
  ):
    with pytest.raises(ValueError, match=r"'roc_auc'.*Did you mean 'rocauc'"):
      function("roc_auc")


def test_higher_is_better():
  better = {name: metrics.higher_is_better(name) for name in METRICS}
  assert better == {
    "ap": True, "rocauc": True, "accuracy": True, "rmse": False, "mae": False
  }  # fmt: skip


@pytest.mark.parametrize("metric", ["ap", "rocauc", "rmse", "mae", "accuracy"])
def test_a_constant_scores_as_sklearns_dummy_does(metric):
  rng = np.random.default_rng(7)
  train = rng.integers(0, 2, (41, 3)).astype(np.float64)
  test = rng.integers(0, 2, (29, 3)).astype(np.float64)
  if metric in ("rmse", "mae"):
    train, test = rng.normal(3, 2, (41, 3)), rng.normal(3, 2, (29, 3))
  outputs = 3
  if metric == "accuracy":
    train, test = rng.choice(4, (41, 1), p=[0.1, 0.2, 0.4, 0.3]), test[:, :1]
    outputs = 4
  train = train.astype(np.float64)
  missing = rng.random(train.shape) < 0.3
  train = np.where(missing, np.nan, train)
  expected = []
  for before, now in zip(train.T, test.T):
    before = before[~np.isnan(before)]
    features = np.zeros((len(before), 1)), np.zeros((len(now), 1))
    if metric in ("rmse", "mae"):
      model = dummy.DummyRegressor().fit(features[0], before)
      errors = model.predict(features[1]) - now
      squared = np.sqrt(np.mean(errors**2))
      expected.append(squared if metric == "rmse" else np.abs(errors).mean())
      continue
    model = dummy.DummyClassifier(strategy="most_frequent")
    model.fit(features[0], before)
    if metric == "accuracy":
      expected.append(model.score(features[1], now))
    else:
      score = {
        "ap": sklearn.metrics.average_precision_score,
        "rocauc": sklearn.metrics.roc_auc_score,
      }[metric]
      expected.append(score(now, model.predict(features[1])))
  found = metrics.evaluate_constant(metric, train, test, outputs)
  np.testing.assert_allclose(found.per_task, expected)
  assert found.value == pytest.approx(np.mean(expected))


def test_a_constant_for_a_task_without_training_labels():
  train, test = np.full((5, 1), np.nan), np.array([[3.0], [-4.0]])
  assert metrics.evaluate_constant("mae", train, test, 1).value == 3.5


# Binary labels, or classes, and their logits, by what is nasty about them.
def _decisions():
  rng = np.random.default_rng(21)
  labels = rng.integers(0, 2, (61, 3)).astype(np.float64)
  logits = rng.normal(size=(61, 3))
  gaps = np.where(rng.random(labels.shape) < 0.4, np.nan, labels)
  classes = rng.integers(0, 5, (61, 1)).astype(np.float64)
  scores = rng.normal(size=(61, 5))
  some = np.where(rng.random(classes.shape) < 0.3, np.nan, classes)
  two = np.where(classes < 2, 0.0, 4.0)  # Of five.
  return {
    "binary": (labels, logits),
    "binary, ties": (labels, np.round(logits)),
    "binary, gaps": (gaps, logits),
    "binary, only 0": (0 * labels, logits),
    "binary, only 1": (0 * labels + 1, logits),
    "binary, all predicted 0": (labels, -np.abs(logits)),
    "binary, none of 1 at all": (0 * labels, -np.abs(logits)),
    "one graph": (labels[:1], logits[:1]),
    "classes": (classes, scores),
    "classes, ties": (classes, np.round(scores)),
    "classes, gaps": (some, scores),
    "classes, one alone": (0 * classes + 2, scores),
    "classes, some missing": (two, scores),
    "classes, always the same": (classes, scores * 0 + [0, 0, 9, 0, 0]),
    "classes, two": (labels[:, :1], scores[:, :2]),
  }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", _decisions())
@pytest.mark.parametrize("metric", ["accuracy", "f1", "mcc"])
def test_decisions_equal_sklearns(metric, case):
  labels, logits = _decisions()[case]
  expected = []
  for task in range(labels.shape[1]):
    known = ~np.isnan(labels[:, task])
    true, predicted = labels[known, task].astype(int), logits[known, task] > 0
    if logits.shape[1] > labels.shape[1]:
      predicted = logits[known].argmax(axis=1)
    average = "macro" if logits.shape[1] > labels.shape[1] else "binary"
    expected.append(
      {
        "accuracy": lambda: sklearn.metrics.accuracy_score(true, predicted),
        "f1": lambda: sklearn.metrics.f1_score(
          true, predicted.astype(int), average=average
        ),
        "mcc": lambda: sklearn.metrics.matthews_corrcoef(true, predicted),
      }[metric]()
    )
  found = metrics.evaluate(metric, labels, logits)
  np.testing.assert_allclose(found.per_task, expected, rtol=0, atol=1e-12)
  assert found.value == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_area_of_classes_equals_sklearns(ties):
  rng = np.random.default_rng(22)
  labels = rng.integers(0, 5, (61, 1)).astype(np.float64)
  logits = 3 * rng.normal(size=(61, 5))
  logits = np.round(logits) if ties else logits
  # Of these probabilities, as rounding breaks ties.
  _, shares = metrics.one_against_all(labels, logits)
  softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  np.testing.assert_allclose(shares, softmax, rtol=1e-13)
  expected = sklearn.metrics.roc_auc_score(
    labels[:, 0], shares, multi_class="ovr"
  )
  found = metrics.evaluate("rocauc", labels, logits)
  assert found.value == pytest.approx(expected, abs=1e-12)
  # A class that no graph is of does not count; rows without a label neither.
  labels[labels == 3] = np.nan
  known = ~np.isnan(labels[:, 0])
  present = [
    sklearn.metrics.roc_auc_score(labels[known, 0] == c, shares[known, c])
    for c in (0, 1, 2, 4)
  ]
  found = metrics.evaluate("rocauc", labels, logits)
  assert found.value == pytest.approx(np.mean(present), abs=1e-12)
  with pytest.raises(ValueError, match="no task qualifies for 'rocauc'"):
    metrics.evaluate("rocauc", np.ones((61, 1)), logits)


def test_probabilities_of_large_logits():
  _, shares = metrics.one_against_all(
    np.zeros((1, 1)), np.array([[1e4, 1e4, -1e4]], np.float32)
  )
  np.testing.assert_array_equal(shares, [[0.5, 0.5, 0]])


@pytest.mark.filterwarnings("ignore")
def test_determination_equals_sklearns():
  rng = np.random.default_rng(23)
  labels, predictions = rng.normal(5, 3, (2, 41, 7))
  labels[:, 1] = np.round(labels[:, 1])
  predictions[:, 2] = labels[:, 2]
  labels[:, 3] = 3  # All the same, and predicted or not.
  labels[:, 4] = predictions[:, 4] = 3
  labels[1:, 5] = np.nan  # One label: not defined.
  labels[rng.random(41) < 0.5, 6] = np.nan
  found = metrics.evaluate("r2", labels, predictions)
  for task in range(7):
    known = ~np.isnan(labels[:, task])
    expected = sklearn.metrics.r2_score(
      labels[known, task], predictions[known, task]
    )
    np.testing.assert_allclose(found.per_task[task], expected, atol=1e-12)
  assert found.num_tasks_scored == 6 and np.isnan(found.per_task[5])


@pytest.mark.parametrize("metric", ["f1", "mcc", "r2", "rocauc"])
def test_shapes_of_others_must_fit(metric):
  with pytest.raises(ValueError, match=r"labels of shape .* do not fit"):
    metrics.evaluate(metric, np.zeros((7, 3)), np.zeros((7, 2)))


@pytest.mark.parametrize("metric", ["accuracy", "f1", "mcc"])
def test_a_constant_of_binary_tasks_is_the_frequent_label(metric):
  train = np.array([[1, 0, 1], [1, 0, np.nan], [0, 1, 0]], np.float64)
  test = np.random.default_rng(3).integers(0, 2, (23, 3)).astype(np.float64)
  always = np.tile([1, 0, 0], (23, 1))  # A tie is the lower class.
  oracle = {
    "accuracy": sklearn.metrics.accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "mcc": sklearn.metrics.matthews_corrcoef,
  }[metric]
  found = metrics.evaluate_constant(metric, train, test, 3)
  expected = [oracle(test[:, t], always[:, t]) for t in range(3)]
  np.testing.assert_allclose(found.per_task, expected, atol=1e-12)
