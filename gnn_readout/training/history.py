"""What a run remembers of the way it came."""

from __future__ import annotations

import dataclasses
from typing import Any

import jraph


@dataclasses.dataclass
class History:
  """What a run remembers besides its state; saved with every checkpoint.

  Attributes:
    train: [step, mean training loss since the one before] at every log.
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
