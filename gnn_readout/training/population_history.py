"""What a member of a population remembers of the way it came."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass
class Curves:
  """What is remembered of a member; plain values, saved with a checkpoint.

  Attributes:
    train: [step, mean training loss since the evaluation before].
    scores: By split, [step, value of the metric].
    diagnostics: By name, [step, value at that step].
    best: The best score on 'valid', with the keys 'step' and 'valid'.
    failure: Why the member was given up; empty if it was not.
    real: Graphs, nodes and edges trained on.
    padded: Graphs, nodes and edges of the batches they came in.
    shapes: [nodes, edges] of these batches, each once.
    seconds: Wall time so far, of all members together.
  """

  train: list[list[float]] = dataclasses.field(default_factory=list)
  scores: dict[str, list[list[float]]] = dataclasses.field(default_factory=dict)
  diagnostics: dict[str, list[list[float]]] = dataclasses.field(
    default_factory=dict
  )
  best: dict[str, float] | None = None
  failure: str = ""
  real: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0])
  padded: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0])
  shapes: list[list[int]] = dataclasses.field(default_factory=list)
  seconds: float = 0.0

  def count(self, real: Sequence[int], shape: Sequence[int]) -> None:
    """Remembers the sizes of a batch.

    Args:
      real: Its graphs, nodes and edges.
      shape: The same with padding.
    """
    self.real = [a + b for a, b in zip(self.real, real, strict=True)]
    self.padded = [a + b for a, b in zip(self.padded, shape, strict=True)]
    if list(shape[1:]) not in self.shapes:
      self.shapes.append(list(shape[1:]))

  def log(
    self, step: int, loss: float, diagnostics: Mapping[str, float]
  ) -> None:
    """Adds a point to the curves of training.

    Args:
      step: Steps done.
      loss: Mean training loss since the point before.
      diagnostics: Values at this step, by name; six digits of them are kept.
    """
    self.train.append([step, loss])
    for name, value in diagnostics.items():
      curve = self.diagnostics.setdefault(name, [])
      curve.append([step, float(f"{value:.6g}")])

  def score(self, step: int, scores: Mapping[str, float], sign: int) -> bool:
    """Adds a point to the curves of the scores.

    Args:
      step: Steps done.
      scores: By split.
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

  def waited(self) -> int:
    """Returns the number of evaluations since the best on 'valid'."""
    steps = [step for step, _ in self.scores.get("valid", [])]
    return sum(step > self.best["step"] for step in steps)
