"""Tasks that draw their own examples, by name."""

from __future__ import annotations

from collections.abc import Callable

from gnn_readout.tasks import median, omniglot, polygons
from gnn_readout.tasks.base import Task

# (config, data_dir=None, cache_dir=None) -> Task.
TASKS: dict[str, Callable[..., Task]] = {
  "median": median.make_task,
  "omniglot": omniglot.make_task,
  "polygons": polygons.make_task,
}

__all__ = ["TASKS", "Task"]
