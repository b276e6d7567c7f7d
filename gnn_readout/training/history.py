"""Training history of a member: curves, scores and the best of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

# The most points a curve of diagnostics keeps; a record stays small to read.
MAX_POINTS = 200


@dataclasses.dataclass
class History:
  """What is remembered of a member; plain values, saved with a checkpoint.

  Attributes:
    train: [step, mean training loss since the one before] at every log.
    diagnostics: Diagnostics by name, [step, mean since the log before] at every
      log, or at every second, fourth, ... of a run with more than `MAX_POINTS`
      logs.
    scores: Scores by split, [step, value of the metric] at every evaluation.
    best: The best score on 'valid', with the keys 'step' and 'valid'.
    failure: Why the member was given up; empty if it was not.
    restarts: Steps from which it went on with the best parameters and new
      moments of the optimiser, as its latest checkpoint was damaged.
  """

  train: list[list[float]] = dataclasses.field(default_factory=list)
  diagnostics: dict[str, list[list[float]]] = dataclasses.field(
    default_factory=dict
  )
  scores: dict[str, list[list[float]]] = dataclasses.field(default_factory=dict)
  best: dict[str, float] | None = None
  failure: str = ""
  restarts: list[int] = dataclasses.field(default_factory=list)

  @property
  def valid(self) -> list[list[float]]:
    """The scores on 'valid'."""
    return self.scores.get("valid", [])

  def log(self, step: int, means: Mapping[str, float]) -> None:
    """Adds a point to the curves of training.

    Which points the curves keep follows from the number of logs alone, so a
    run that was stopped and one that was not keep the same.

    Args:
      step: Steps done.
      means: Means of the scalars of a step, 'loss' among them, since the log
        before; six digits of the others are kept.
    """
    index = len(self.train)
    self.train.append([step, means["loss"]])
    stride = 1
    while index >= MAX_POINTS * stride:
      stride *= 2
    if index % stride:
      return
    for name, value in means.items():
      if name == "loss":
        continue
      curve = self.diagnostics.setdefault(name, [])
      if len(curve) == MAX_POINTS:
        # So far every (stride / 2)-th log.
        del curve[1::2]
      curve.append([step, float(f"{value:.6g}")])

  def score(self, step: int, scores: Mapping[str, float], sign: int) -> bool:
    """Adds a point to the curves of the scores.

    Args:
      step: Steps done.
      scores: Scores by the metric, by split.
      sign: -1 if a lower value is a better one, else 1.

    Returns:
      Whether that on 'valid' is the best so far.
    """
    for name, value in scores.items():
      self.scores.setdefault(name, []).append([step, value])
    if "valid" not in scores:
      return False
    value = scores["valid"]
    # Not the other way round: a score that is no number is never the best.
    if not self.best or sign * value > sign * self.best["valid"]:
      self.best = {"step": step, "valid": value}
      return True
    return False

  def restart(self, step: int) -> None:
    """Forgets what came after a step, from which the member resumes."""
    for curve in (
      self.train,
      *self.diagnostics.values(),
      *self.scores.values(),
    ):
      curve[:] = [point for point in curve if point[0] <= step]
    self.restarts.append(step)

  def waited(self) -> int:
    """Returns the number of evaluations since the last of the best on 'valid'.

    `best` is the first of scores that tie; patience begins anew with each.
    """
    if not self.best:
      return len(self.valid)
    scores = [score for _, score in self.valid]
    return scores[::-1].index(self.best["valid"])
