"""How a cross-validation selects, by named protocols of the literature.

A protocol says which graphs a member is selected by, and how the curves of all
members become one number per fold. Letters: P points of the grid of
hyper-parameters, K folds, E evaluations, one per epoch, R runs.

Differs from the program of Errica et al. 2020: the grid is the config's own, of
which they have one for each model; a member runs for the config's epochs, and
stops after 100 that are all worse than its best validation accuracy. For GIN
they have up to 1,000 epochs and a patience of 500, by validation accuracy in
one half of the grid and by validation loss in the other.

`fspool2019` follows the thesis. The program published with it differs:
  Its graphs are shuffled anew for every fold, with the fold's own seed, and
  then cut into ten: the test sets of two folds overlap, and some graphs are in
  none. Here each graph is tested once; the folds are stratified.
  A fold's validation graphs are the first tenth of all others, as shuffled.
  The graphs of a batch are the same in every epoch, in the same order.
  The rate is first halved before epoch 50, here after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Choice(NamedTuple):
  """What a protocol selected, and what it is worth.

  Attributes:
    points: [K], the index of the chosen point of the grid for each fold.
    epochs: [K], the epochs after which each fold is scored.
    tests: [K], test scores.
    valid: The mean of what was selected by.
  """

  points: list[int]
  epochs: list[int]
  tests: list[float]
  valid: float


class Protocol(NamedTuple):
  """How to come from curves to a number that can be compared.

  Attributes:
    reference: Where it is described, and in which words.
    validation: A key of `folds.VALIDATIONS`.
    repeats: Number of repeats, each with other folds.
    selected_on: 'valid' or 'test'.
    select: (valid [P, K, E], test [P, K, E], sign) -> Choice; sign is -1 where
      a lower score is a better one.
    patience: Evaluations that are all worse than the best validation score
      after which a member stops; 0: never.
    population: Whether the standard deviation is that of a population, with n
    and not n - 1 in the denominator.
    final_runs: If positive, the chosen point of each fold is trained again
      so often, with other seeds, and their test scores are averaged.
  """

  reference: str
  validation: str
  repeats: int
  selected_on: str
  select: Callable[[np.ndarray, np.ndarray, int], Choice]
  patience: int = 0
  final_runs: int = 0
  population: bool = False


def _by_mean_curve(curves: np.ndarray, tests: np.ndarray, sign: int) -> Choice:
  """The point and the epoch that are best on average over the folds."""
  mean = curves.mean(axis=1)  # [P, E]
  p, e = np.unravel_index(np.argmax(sign * mean), mean.shape)
  num_folds = curves.shape[1]
  return Choice(
    [int(p)] * num_folds,
    [int(e) + 1] * num_folds,
    tests[p, :, e].tolist(),
    float(mean[p, e]),
  )


def last_best(curves: np.ndarray) -> np.ndarray:
  """Returns the last index of the highest score of each row, [R, E] to [R].

  NaN, such as all scores after a member has stopped early, is never highest.
  """
  return curves.shape[1] - 1 - np.nanargmax(curves[:, ::-1], axis=1)


def _by_fold(curves: np.ndarray, tests: np.ndarray, sign: int) -> Choice:
  """Each fold has its own best point and epoch, the last of those that tie."""
  num_points, num_folds, _ = curves.shape
  flat = np.moveaxis(sign * curves, 1, 0).reshape(num_folds, -1)  # [K, P E]
  best = last_best(flat)
  points, epochs = np.unravel_index(best, (num_points, curves.shape[2]))
  k = np.arange(num_folds)
  return Choice(
    points.tolist(),
    (epochs + 1).tolist(),
    tests[points, k, epochs].tolist(),
    float(curves[points, k, epochs].mean()),
  )


PROTOCOLS = {
  "fspool2019": Protocol(
    reference=(
      "Y. Zhang's thesis (2020), A.3.4: ten folds, one of the other nine for"
      " validation; hyper-parameters and epoch are those with the best mean"
      " validation accuracy over the folds; ten repeats with other folds;"
      " mean and sample standard deviation over the repeats"
    ),
    validation="next",
    repeats=10,
    selected_on="valid",
    select=_by_mean_curve,
  ),
  "gin2019": Protocol(
    reference=(
      "Xu et al. 2019, section 7: ten folds, nine of them to train on;"
      " hyper-parameters and epoch are those with the best mean TEST accuracy"
      " over the folds; mean and sample standard deviation over the folds"
    ),
    validation="test",
    repeats=1,
    selected_on="test",
    select=lambda valid, test, sign: _by_mean_curve(test, test, sign),
  ),
  "errica2020": Protocol(
    reference=(
      "Errica et al. 2020, section 4: ten outer folds; in each the"
      " hyper-parameters with the best score on a tenth held out of the"
      " others, with early stopping; three runs of these with other seeds,"
      " each tested at its best validation epoch; the last of tied scores;"
      " mean over the runs, then mean and population standard deviation over"
      " the folds. Differences from the paper: the grid and the number of"
      " epochs are those of the config (the paper: 1,000 epochs), and the"
      " patience is 100 evaluations (the paper: 500 epochs, by validation"
      " accuracy or loss)"
    ),
    validation="holdout",
    repeats=1,
    selected_on="valid",
    select=_by_fold,
    patience=100,
    final_runs=3,
    population=True,
  ),
}
