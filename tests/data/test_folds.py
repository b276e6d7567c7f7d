"""Folds are scikit-learn's, and every graph is tested on once."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from gnn_readout.data import folds

CLASSES = np.random.default_rng(0).choice([3, -1, 7], 211, p=[0.6, 0.3, 0.1])


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("num_folds", [2, 5, 10])
def test_folds_are_scikit_learns(num_folds, seed):
  from sklearn.model_selection import StratifiedKFold

  splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
  expected = np.empty(len(CLASSES), int)
  for fold, (_, test) in enumerate(splitter.split(CLASSES, CLASSES)):
    expected[test] = fold
  found = folds.stratified_folds(CLASSES, num_folds, seed)
  np.testing.assert_array_equal(found, expected)


def test_no_fold_has_two_more_of_a_class_than_another():
  found = folds.stratified_folds(CLASSES, 10, 5)
  for label in set(CLASSES):
    counts = np.bincount(found[label == CLASSES], minlength=10)
    assert np.ptp(counts) <= 1


def test_a_rare_class_is_named():
  labels = np.repeat([4, 9], [13, 3])
  words = "class 9 has 3 members, fewer than num_folds=5"
  with pytest.raises(ValueError, match=words):
    folds.stratified_folds(labels, 5)
  folds.stratified_folds(labels, 3)
  with pytest.raises(ValueError, match="num_folds must be at least 2, got 1"):
    folds.stratified_folds(labels, 1)


@pytest.fixture
def store(make_store):
  store = make_store(np.arange(1, 54), tasks=1)
  schema = dataclasses.replace(
    store.schema, task_type="multiclass", num_classes=3, metric="accuracy"
  )
  labels = np.resize([0, 2, 2, 1, 0], 53)[:, None].astype(np.float32)
  return dataclasses.replace(store, schema=schema, labels=labels)


def test_every_graph_is_tested_on_once_and_validated_on_once(store):
  tests, valids = [], []
  for fold in range(7):
    splits = folds.with_fold(store, fold, num_folds=7).splits
    together = np.concatenate(list(splits.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(53))
    tests.append(splits["test"])
    valids.append(splits["valid"])
    assert all(indices.dtype == np.int32 for indices in splits.values())
  np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(53))
  for fold in range(7):
    np.testing.assert_array_equal(valids[fold], tests[(fold + 1) % 7])


def test_regression_has_plain_folds(make_store):
  store = make_store(np.arange(1, 54))
  splits = folds.with_fold(store, 2, num_folds=5).splits
  assert [len(splits[name]) for name in ("train", "valid", "test")] in (
    [31, 11, 11],
    [32, 10, 11],
    [32, 11, 10],
    [33, 10, 10],
  )


def test_a_holdout_is_a_stratified_tenth_of_the_others(store):
  for fold in range(5):
    splits = folds.with_fold(
      store, fold, num_folds=5, validation="holdout"
    ).splits
    together = np.concatenate(list(splits.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(53))
    assert len(splits["valid"]) in range(3, 7)
    plain = folds.with_fold(store, fold, num_folds=5).splits
    np.testing.assert_array_equal(splits["test"], plain["test"])


def test_validation_on_the_test_fold(store):
  splits = folds.with_fold(store, 1, num_folds=5, validation="test").splits
  np.testing.assert_array_equal(splits["valid"], splits["test"])
  assert len(splits["train"]) + len(splits["test"]) == 53


def test_folds_are_kept_in_a_file(store, tmp_path):
  path = tmp_path / "splits" / "random.json"
  digest = folds.keep_folds(path, store, 5, seed=3)
  assert folds.keep_folds(path, store, 5, seed=3) == digest
  facts = json.loads(path.read_text())
  expected = folds.assign_folds(store, 5, seed=3)
  assert facts["fold_of_graph"] == expected.tolist()
  assert facts["hash"] == digest
  with pytest.raises(ValueError, match=rf"{digest}, but those of 'random'"):
    folds.keep_folds(path, store, 5, seed=4)


@pytest.mark.parametrize(
  ("arguments", "words"),
  [
    ({"fold": 10}, "random: fold must be from 0 to 9, got 10"),
    ({"fold": -1}, "random: fold must be from 0 to 9, got -1"),
    ({"num_folds": 2}, "num_folds must be at least 3, got 2"),
    ({"num_folds": 29}, "random: class 1 has 10 members, fewer than"),
    ({"validation": "nxt"}, "'nxt'. Did you mean 'next'"),
  ],
)
def test_an_impossible_fold_is_named(store, arguments, words):
  with pytest.raises(ValueError, match=words):
    folds.with_fold(store, **arguments)
