"""Cross-validation folds for datasets that come without a split."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib

import numpy as np

from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_write_text, read_json
from gnn_readout.wording import counted

_HOLDOUT = 10  # One of so many parts is held out.


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
    seed: Seed of the shuffling.

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
      f"class {names[rare]:g} has"
      f" {counted(counts[rare], 'member')}, fewer than num_folds={num_folds}."
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


# Where the graphs to select by come from: the fold after the test fold; a
# stratified tenth of all other folds; or the test fold itself.
VALIDATIONS = ("next", "holdout", "test")


def with_fold(
  store: GraphStore,
  fold: int = 0,
  num_folds: int = 10,
  seed: int = 0,
  validation: str = "next",
) -> GraphStore:
  """Returns a dataset with one fold to test on, and the others to train on.

  Folds are stratified by class, or by the label of a single binary task that
  no graph lacks; those of any other dataset are plain.

  Args:
    store: The graphs; splits they have are replaced.
    fold: The fold to test on.
    num_folds: K, at least 3.
    seed: Seed of the folds.
    validation: 'next' keeps the fold after it (after the last, the first) for
      validation, 'holdout' a stratified tenth of all the others, and 'test'
      takes the test fold itself: what is selected by it is no honest result.

  Raises:
    ValueError: If `fold`, `num_folds` or `validation` is impossible.
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
  if validation not in VALIDATIONS:
    known = suggest(validation, VALIDATIONS)
    raise ValueError(f"{name}: unknown validation {validation!r}.{known}")
  folds = assign_folds(store, num_folds, seed)
  test = folds == fold
  if validation == "test":
    valid, train = test, ~test
  elif validation == "next":
    valid = folds == (fold + 1) % num_folds
    train = ~test & ~valid
  else:
    others = np.flatnonzero(~test)
    tenth = _classes(store)[others]
    rarest = np.unique(tenth, return_counts=True)[1].min()
    parts = min(_HOLDOUT, int(rarest))  # A rare class gets its share too.
    held = stratified_folds(tenth, parts, seed=1000 * seed + fold) == 0
    valid = np.zeros_like(test)
    valid[others[held]] = True
    train = ~test & ~valid
  splits = {"train": train, "valid": valid, "test": test}
  indices = {
    split: np.flatnonzero(mask).astype(np.int32)
    for split, mask in splits.items()
  }
  return dataclasses.replace(store, splits=indices)


def assign_folds(
  store: GraphStore, num_folds: int = 10, seed: int = 0
) -> np.ndarray:
  """Returns [G] int32, the fold of each graph; errors name the dataset.

  Args:
    store: The graphs.
    num_folds: K.
    seed: Seed of the shuffling.
  """
  try:
    return stratified_folds(_classes(store), num_folds, seed)
  except ValueError as error:
    raise ValueError(f"{store.schema.name}: {error}") from error


def keep_folds(
  path: str | os.PathLike[str], store: GraphStore, num_folds: int, seed: int
) -> str:
  """Writes the folds of a dataset to a file, or checks them against it.

  Args:
    path: A JSON file; what is there already must be these folds.
    store: The graphs.
    num_folds: K.
    seed: Seed of the shuffling.

  Returns:
    The hash of the folds, 12 hexadecimal digits.

  Raises:
    ValueError: If the file holds other folds, or is none of this kind.
  """
  path = pathlib.Path(path)
  folds = assign_folds(store, num_folds, seed)
  digest = hashlib.sha256(folds.astype("<i4").tobytes()).hexdigest()[:12]
  facts = {
    "dataset": store.schema.name,
    "num_folds": num_folds,
    "seed": seed,
    "hash": digest,
    "fold_of_graph": folds.tolist(),
  }
  if not path.exists():
    atomic_write_text(path, json.dumps(facts) + "\n")
    return digest
  try:
    there = read_json(path)
    same = there["fold_of_graph"] == facts["fold_of_graph"]
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(f"{path} is damaged: {error!r}; delete it.") from error
  if not same:
    raise ValueError(
      f"{path} holds the folds of {there.get('dataset')!r} with hash"
      f" {there.get('hash')}, but those of {store.schema.name!r} have hash"
      f" {digest}: choose another --workdir, or delete the file."
    )
  return digest


def _classes(store: GraphStore) -> np.ndarray:
  """Returns [G], what folds are stratified by."""
  schema, first = store.schema, store.labels[:, 0]
  is_binary = schema.task_type == "binary" and schema.num_tasks == 1
  if schema.task_type == "multiclass" or (
    is_binary and not np.isnan(first).any()
  ):
    return first
  return np.zeros(store.num_graphs)
