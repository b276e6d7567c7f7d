"""Reads the sweeps of a config file: functions that yield overrides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gnn_readout.errors import suggest
from gnn_readout.training import members, settings
from gnn_readout.training.sweeps import Run, run_name
from launch import cli


def read(sweep: str, changes: Sequence[str]) -> tuple[str, list[Run]]:
  """Returns the name of a sweep and its runs, all of them checked.

  Args:
    sweep: FILE:NAME, a config file and a function in it.
    changes: FIELD=VALUE, over what the sweep and the config say. Runs that
      become the same by that are one.

  Raises:
    ValueError: If there is no such sweep, it has no runs, or one of them cannot
      be trained.
    OSError: If there is no such file.
  """
  path, _, name = sweep.partition(":")
  function = _function(path, name)
  changed = dict(_field_and_value(change) for change in changes)
  runs: dict[str, Run] = {}
  for overrides in _overrides(function, sweep):
    run = _run(path, overrides, changed)
    runs.setdefault(run.name, run)
  if not runs:
    raise ValueError(f"sweep {sweep} is empty: it yields no run")
  return name, list(runs.values())


def _function(path: str, name: str) -> Callable[[], Iterator[Any]]:
  known = {
    key: value
    for key, value in cli.read_config_file(path).items()
    if inspect.isgeneratorfunction(value) and not key.startswith("_")
  }
  if not known:
    raise ValueError(f"{path} has no sweeps, which are functions that yield")
  if name not in known:
    raise ValueError(f"no sweep {name!r} in {path}.{suggest(name, known)}")
  return known[name]


def _overrides(
  function: Callable[[], Iterator[Any]], sweep: str
) -> list[dict[str, Any]]:
  try:
    found = list(function())
  except Exception as error:  # It may hold anything.
    raise ValueError(
      f"sweep {sweep}: {type(error).__name__}: {error}"
    ) from error
  for overrides in found:
    if not isinstance(overrides, Mapping):
      raise ValueError(
        f"sweep {sweep} must yield dictionaries of fields, got {overrides!r}"
      )
  return [dict(overrides) for overrides in found]


def _field_and_value(change: str) -> tuple[str, str]:
  field, equals, value = change.partition("=")
  if not field or not equals:
    raise ValueError(f"--set takes FIELD=VALUE, got {change!r}")
  return field, value


def _run(
  path: str, overrides: dict[str, Any], changed: Mapping[str, str]
) -> Run:
  variant = str(overrides.pop("variant", ""))
  arguments = [f"--config={path}:{variant}" if variant else f"--config={path}"]
  for field, value in {**overrides, **changed}.items():
    arguments.append(f"--config.{field}={value}")
  try:
    config = cli.parse_config(arguments)
    for member in members.expand(config):  # One without a population.
      settings.check(member)
  except ValueError as error:
    raise ValueError(f"run {' '.join(arguments)}: {error}") from error
  return Run(run_name(variant, overrides, config), arguments, config)
