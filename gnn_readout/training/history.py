"""What a run remembers of the way it came."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jraph

# The most points a curve of diagnostics keeps; a record stays small to read.
MAX_POINTS = 200


@dataclasses.dataclass
class History:
  """What a run remembers besides its state; saved with every checkpoint.

  Attributes:
    train: [step, mean training loss since the one before] at every log.
    diagnostics: By name, [step, value at that step] at every log, or at every
      second, fourth, ... of a run with more than `MAX_POINTS` logs.
    valid: [step, value of the metric] at every evaluation.
    best: The best of `valid`, with the keys 'step' and 'valid'.
    losses: Training losses since the last log.
    seconds: Wall time of the whole run.
    step_seconds: Of that, spent on steps, without compilation.
    real: Graphs, nodes and edges trained on.
    padded: Graphs, nodes and edges of the batches they came in.
    shapes: [nodes, edges] of these batches, each once: what was compiled.
  """

  train: list[list[float]] = dataclasses.field(default_factory=list)
  diagnostics: dict[str, list[list[float]]] = dataclasses.field(
    default_factory=dict
  )
  valid: list[list[float]] = dataclasses.field(default_factory=list)
  best: dict[str, float] | None = None
  losses: list[float] = dataclasses.field(default_factory=list)
  seconds: float = 0.0
  step_seconds: float = 0.0
  real: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0])
  padded: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0])
  shapes: list[list[int]] = dataclasses.field(default_factory=list)

  def add(self, loss: Any, batch: jraph.GraphsTuple) -> None:
    """Remembers a step's loss, still on the device, and the batch's sizes."""
    self.losses.append(loss)
    shape = [len(batch.nodes), len(batch.senders)]
    if shape not in self.shapes:
      self.shapes.append(shape)
    graphs = int(batch.globals["mask"].sum())
    real = (graphs, batch.n_node[:graphs].sum(), batch.n_edge[:graphs].sum())
    padded = (len(batch.n_node), *shape)
    self.real = [a + int(b) for a, b in zip(self.real, real, strict=True)]
    self.padded = [a + b for a, b in zip(self.padded, padded, strict=True)]

  def log(
    self, step: int, loss: float, diagnostics: Mapping[str, float]
  ) -> None:
    """Remembers what a log shows.

    Which points the curves keep follows from the number of logs alone, so a
    run that was stopped and one that was not keep the same.

    Args:
      step: Steps done.
      loss: Mean training loss since the log before.
      diagnostics: Values at this step, by name; six digits of them are kept.
    """
    index = len(self.train)
    self.train.append([step, loss])
    stride = 1
    while index >= MAX_POINTS * stride:
      stride *= 2
    if index % stride:
      return
    for name, value in diagnostics.items():
      curve = self.diagnostics.setdefault(name, [])
      if len(curve) == MAX_POINTS:
        # So far every (stride / 2)-th log.
        del curve[1::2]
      curve.append([step, float(f"{value:.6g}")])
