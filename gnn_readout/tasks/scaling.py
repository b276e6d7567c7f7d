"""Regression targets in units of their own spread.

A model learns z = (y - mean) / std, with mean and standard deviation of the
training labels of each task, and predicts mean + std z. Both lie in the model's
state, beside running statistics: every checkpoint holds them, and whoever
predicts with it needs nothing else. Letters: G graphs, T tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

_KEY = "targets"  # In the model's state; no module has this name.


class Scaling(NamedTuple):
  """Mean and standard deviation of the training labels.

  Attributes:
    mean: [T]; 0 for a task without labels.
    std: [T]; 1 where all labels are the same, or there are none.
  """

  mean: Any
  std: Any

  @classmethod
  def of(cls, labels: np.ndarray) -> Scaling:
    """Measures labels [G, T], NaN where one is missing."""
    labels = np.asarray(labels, np.float64)
    known = ~np.isnan(labels)
    count = np.maximum(known.sum(axis=0), 1)  # [T]
    mean = np.where(known, labels, 0).sum(axis=0) / count
    spread = np.where(known, labels - mean, 0)  # [G, T]
    std = np.sqrt((spread**2).sum(axis=0) / count)
    # Rounding gives equal labels a tiny deviation: it is not asked.
    lowest = np.where(known, labels, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, labels, -np.inf).max(axis=0, initial=-np.inf)
    varies = (highest > lowest) & (std >= np.finfo(np.float32).tiny)
    equal = highest == lowest
    return cls(np.where(equal, lowest, mean), np.where(varies, std, 1.0))

  @classmethod
  def from_fields(cls, fields: Mapping[str, Any]) -> Scaling:
    """Takes it from what `fields` returned, among other things."""
    return cls(*(fields[f"{_KEY}.{name}"] for name in cls._fields))

  def fields(self) -> dict[str, Any]:
    """Returns mean and standard deviation by name."""
    return {f"{_KEY}.{name}": x for name, x in self._asdict().items()}

  def scaled(self, labels: jax.Array) -> jax.Array:
    """Returns z [G, T] of labels y [G, T]."""
    return (labels - self.mean) / self.std

  def unscaled(self, predictions: jax.Array) -> jax.Array:
    """Returns y [G, T] of predictions z [G, T]."""
    return self.mean + self.std * predictions


def put(state: Mapping[str, Any], scaling: Scaling | None) -> dict[str, Any]:
  """Returns a model's state with the scaling in it, if there is one."""
  return {**state, _KEY: scaling._asdict()} if scaling else dict(state)


def take(state: Mapping[str, Any]) -> tuple[Scaling | None, dict[str, Any]]:
  """Returns the scaling in a model's state, if any, and the rest of it."""
  rest = dict(state)
  found = rest.pop(_KEY, None)
  return Scaling(**found) if found else None, rest
