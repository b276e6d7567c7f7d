"""Cross-validation folds for datasets that come without a split."""

from __future__ import annotations

import dataclasses

import numpy as np

from gnn_readout.data.store import GraphStore


def stratified_folds(
  labels: np.ndarray, num_folds: int = 10, seed: int = 0
) -> np.ndarray:
  """Deals graphs to folds so that each fold has its share of every class.

  The folds are those of scikit-learn's
  `StratifiedKFold(num_folds, shuffle=True, random_state=seed)`, which most
  published results on the TU collection use, with seed 0 after Xu et al. 2019.

  Args:
    labels: [G] classes, numbers of any kind.
    num_folds: K.
    seed: Of the shuffling.

  Returns:
    [G] int32, the fold of each graph, 0 .. K - 1.

  Raises:
    ValueError: If there are fewer than two folds, or more than members of some
      class.
  """
  labels = np.asarray(labels)
  if num_folds < 2:
    raise ValueError(f"num_folds must be at least 2, got {num_folds}.")
  names, first, classes = np.unique(
    labels, return_index=True, return_inverse=True
  )
  counts = np.bincount(classes)
  if (counts < num_folds).any():
    rare = int(np.argmin(counts))
    raise ValueError(
      f"class {names[rare]:g} has {counts[rare]} members, fewer than"
      f" num_folds={num_folds}."
    )
  # As if the graphs, class after class, were dealt one by one: that fixes how
  # many of a class each fold gets. Classes count in the order in which they
  # appear.
  by_appearance = np.argsort(first)
  turns = np.split(np.arange(len(labels)), np.cumsum(counts[by_appearance]))
  rng = np.random.RandomState(seed)
  folds = np.empty(len(labels), np.int32)
  for k, turn in zip(by_appearance, turns, strict=False):
    dealt = np.sort(turn % num_folds)
    rng.shuffle(dealt)
    folds[classes == k] = dealt
  return folds


def with_fold(
  store: GraphStore, fold: int = 0, num_folds: int = 10, seed: int = 0
) -> GraphStore:
  """Returns a dataset with one fold to test on and the next to validate on.

  Folds are stratified by class, and plain ones of a regression dataset.

  Args:
    store: The graphs; splits they have are replaced.
    fold: The fold to test on; the one after it (after the last, the first) is
      for validation, the others for training.
    num_folds: K, at least 3.
    seed: Of the folds.

  Raises:
    ValueError: If `fold` or `num_folds` is impossible.
  """
  name = store.schema.name
  if num_folds < 3:
    raise ValueError(
      f"{name}: training, validation and test need a fold each: num_folds must"
      f" be at least 3, got {num_folds}."
    )
  if not 0 <= fold < num_folds:
    raise ValueError(
      f"{name}: fold must be from 0 to {num_folds - 1}, got {fold}."
    )
  labels = np.zeros(store.num_graphs)
  if store.schema.task_type == "multiclass":
    labels = store.labels[:, 0]
  try:
    folds = stratified_folds(labels, num_folds, seed)
  except ValueError as error:
    raise ValueError(f"{name}: {error}") from error
  role = (folds - fold) % num_folds
  splits = {"train": role > 1, "valid": role == 1, "test": role == 0}
  indices = {
    split: np.flatnonzero(mask).astype(np.int32)
    for split, mask in splits.items()
  }
  return dataclasses.replace(store, splits=indices)
