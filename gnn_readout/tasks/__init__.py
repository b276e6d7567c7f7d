"""What can be learned, by name, each a `Problem`.

They import models, data and metrics, and nothing of how they are trained.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gnn_readout.errors import suggest
from gnn_readout.tasks import (
  counting,
  denoising,
  median,
  mnist_sets,
  mosaics,
  omniglot,
  polygons,
  scenes,
  set_prediction,
  sorting,
)
from gnn_readout.tasks.base import Problem
from gnn_readout.tasks.graph_property import GraphProperty
from gnn_readout.tasks.sampled import SampledProblem

# (config, data_dir=None, cache_dir=None) -> Problem. A config without a field
# `task` is of the first one.
TASKS: dict[str, Callable[..., Problem]] = {
  "graph_property": GraphProperty.from_config,
  "counting": counting.make_task,
  "denoising": denoising.make_task,
  "median": median.make_task,
  "mnist_sets": mnist_sets.make_task,
  "mosaics": mosaics.make_task,
  "omniglot": omniglot.make_task,
  "polygons": polygons.make_task,
  "scenes": scenes.make_task,
  "set_prediction": set_prediction.make_task,
  "sorting": sorting.make_task,
}


def task_name(config: Mapping[str, Any]) -> str:
  """Returns the key of `TASKS` that a config is for.

  Raises:
    ValueError: If there is no such task; names the nearest.
  """
  name = config.get("task", "graph_property")
  if name not in TASKS:
    raise ValueError(f"unknown task {name!r}.{suggest(name, TASKS)}")
  return name


def make_problem(
  config: Any,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> Problem:
  """Returns what a config of one run describes.

  Args:
    config: Config as the files in `configs/` make it, without a population; it
      is completed in place.
    data_dir: Where the datasets are.
    cache_dir: Where what was made of them is.

  Raises:
    ValueError: If the task, the dataset or a field is unknown or impossible.
    OSError: If a file is missing.
  """
  return TASKS[task_name(config)](config, data_dir, cache_dir)


def make_problems(
  configs: Sequence[Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> list[Problem]:
  """Returns the problem of every member; the same data is loaded once.

  Args:
    configs: Configs of the members, completed in place.
    data_dir: As `make_problem` takes it.
    cache_dir: As `make_problem` takes it.
  """
  made: dict[Any, Problem] = {}
  problems = []
  for config in configs:
    key = problem_class(config).data_key(config)
    if key in made:
      problems.append(made[key].with_config(config))
    else:
      made[key] = make_problem(config, data_dir, cache_dir)
      problems.append(made[key])
  return problems


def dataset_facts(
  configs: Sequence[Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any] | None]:
  """Returns what identifies the dataset of every config; None without one.

  Args:
    configs: Each of one run; they stay as they are.
    data_dir: As `make_problem` takes it.
    cache_dir: As `make_problem` takes it.

  Raises:
    ValueError: If a dataset is unknown or damaged.
    OSError: If a file is missing.
  """
  found: dict[Any, dict[str, Any] | None] = {}
  keys = []
  for config in configs:
    kind = problem_class(config)
    keys.append((kind, kind.data_key(config)))
    if keys[-1] not in found:
      found[keys[-1]] = kind.dataset_facts(config, data_dir, cache_dir)
  return [found[key] for key in keys]


def problem_class(config: Mapping[str, Any]) -> type[Problem]:
  """Returns the class of a config's problem, which knows its traced fields."""
  make = TASKS[task_name(config)]
  return getattr(make, "__self__", SampledProblem)


__all__ = [
  "TASKS",
  "GraphProperty",
  "Problem",
  "SampledProblem",
  "dataset_facts",
  "make_problem",
  "make_problems",
  "problem_class",
  "task_name",
]
