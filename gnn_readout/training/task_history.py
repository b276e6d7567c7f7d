"""What a member of a task's population remembers of the way it came."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Member:
  """What is remembered of a member; plain values, saved with a checkpoint.

  Attributes:
    train: [step, mean training loss since the evaluation before].
    valid: [step, value of the metric].
    diagnostics: By name, [step, mean since the evaluation before] of the
      other scalars of a training step; six digits of them are kept.
    best: The best of `valid`, with the keys 'step' and 'valid'.
    failure: Why the member was given up; empty if it was not.
  """

  train: list[list[float]] = dataclasses.field(default_factory=list)
  valid: list[list[float]] = dataclasses.field(default_factory=list)
  diagnostics: dict[str, list[list[float]]] = dataclasses.field(
    default_factory=dict
  )
  best: dict[str, float] | None = None
  failure: str = ""

  def add(
    self, step: int, means: dict[str, float], value: float, sign: int
  ) -> bool:
    """Adds a point to every curve.

    Args:
      step: Steps done.
      means: Of the scalars of a training step.
      value: Of the metric.
      sign: -1 if a lower value is a better one, else 1.

    Returns:
      Whether the value is the best so far.
    """
    self.valid.append([step, value])
    self.train.append([step, means["loss"]])
    for name, mean in means.items():
      if name != "loss":
        curve = self.diagnostics.setdefault(name, [])
        curve.append([step, float(f"{mean:.6g}")])
    if self.best and sign * value <= sign * self.best["valid"]:
      return False
    self.best = {"step": step, "valid": value}
    return True
