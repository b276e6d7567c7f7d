"""Reads the sweeps of a config file: functions that yield overrides.

One with an argument `readout_names` gets the names of all readouts for it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gnn_readout import cli
from gnn_readout.config_fields import LENGTHS, write
from gnn_readout.errors import suggest
from gnn_readout.fields import flatten
from gnn_readout.readouts import READOUTS
from gnn_readout.runs import settings
from gnn_readout.sweeps.run_spec import RunSpec, run_name
from gnn_readout.training import members


class _Point(NamedTuple):
  """What a sweep yields: a variant, what is set in it, and what comes of it."""

  variant: str
  fields: dict[str, Any]
  config: ConfigDict


def read(
  sweep: str, changes: Sequence[str], together: bool = True
) -> tuple[str, list[RunSpec]]:
  """Returns the name of a sweep and its runs, all of them checked.

  Args:
    sweep: FILE:NAME, a config file and a function in it.
    changes: FIELD=VALUE, over what the sweep and the config say. Runs that
      become the same by that are one. A length of the runs takes the place of
      the sweep's own, be it in steps or in epochs.
    together: Whether what can be trained as one program becomes one run with a
      population: all combinations of some learning rates and seeds, say. Only
      of configs that have the field `population`, if it is empty.

  Raises:
    ValueError: If there is no such sweep, it has no runs, or one of them cannot
      be trained.
    OSError: If there is no such file.
  """
  path, _, name = sweep.partition(":")
  function = _function(path, name)
  changed = dict(_field_and_value(change) for change in changes)
  replaced = set(LENGTHS) - changed.keys()
  replaced = replaced if len(replaced) < len(LENGTHS) else set()
  points: dict[str, _Point] = {}
  for overrides in _overrides(function, sweep):
    variant = str(overrides.pop("variant", ""))
    for length in replaced:
      if overrides.get(length):  # One of 0 stays: the run keeps its name.
        del overrides[length]
    config = _config(path, variant, overrides | changed)
    key = run_name(variant, overrides, config)
    points.setdefault(key, _Point(variant, overrides, config))
  if not points:
    raise ValueError(f"sweep {sweep} is empty: it yields no runs")
  runs = []
  for point, population in _joined(list(points.values()), together):
    variant, fields, config = point
    values = fields | population | changed
    if population:  # Otherwise it is the point's own.
      config = _config(path, variant, values)
    arguments = _arguments(path, variant, values)
    runs.append(RunSpec(run_name(variant, fields, config), arguments, config))
  return name, runs


def _function(path: str, name: str) -> Callable[..., Iterator[Any]]:
  known = {
    key: value
    for key, value in cli.read_config_file(path).items()
    if inspect.isgeneratorfunction(value) and not key.startswith("_")
  }
  if not known:
    raise ValueError(f"{path} has no sweeps; a sweep is a function that yields")
  if name not in known:
    raise ValueError(f"no sweep {name!r} in {path}.{suggest(name, known)}")
  return known[name]


def _overrides(
  function: Callable[..., Iterator[Any]], sweep: str
) -> list[dict[str, Any]]:
  known = {"readout_names": sorted(READOUTS)}
  wanted = inspect.signature(function).parameters
  try:
    found = list(function(**{k: v for k, v in known.items() if k in wanted}))
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


def _arguments(path: str, variant: str, fields: Mapping[str, Any]) -> list[str]:
  return [
    f"--config={path}:{variant}" if variant else f"--config={path}",
    *(f"--config.{field}={write(value)}" for field, value in fields.items()),
  ]


def _config(path: str, variant: str, fields: Mapping[str, Any]) -> ConfigDict:
  arguments = _arguments(path, variant, fields)
  try:
    config = cli.parse_config(arguments)
    for member in members.expand(config):  # One without a population.
      settings.check(member)
  except ValueError as error:
    raise ValueError(f"run {' '.join(arguments)}: {error}") from error
  return config


def _joined(
  points: Sequence[_Point], together: bool
) -> Iterator[tuple[_Point, dict[str, str]]]:
  """Yields the point of every run, or its first one and their population."""
  groups = members.group_by_program([point.config for point in points])
  places = ((i, group) for group in groups for i in group)
  for i, group in sorted(places):
    text = _population([points[j] for j in group]) if together else ""
    if not text:
      yield points[i], {}
    elif i == group[0]:
      yield points[i], {"population": text}


def _population(points: Sequence[_Point]) -> str:
  """Returns the population whose members are these points, or ''."""
  variant, fields, config = points[0]
  if len(points) == 1 or config.get("population") != "":
    return ""
  if any((p.variant, *p.fields) != (variant, *fields) for p in points):
    return ""
  flat = [flatten(point.config.to_dict()) for point in points]
  values = {
    field: list(dict.fromkeys(write(f[field]) for f in flat))
    for field in fields
  }
  varied = {field: v for field, v in values.items() if len(v) > 1}
  if math.prod(map(len, varied.values())) != len(points):
    return ""  # Not all combinations.
  return " ".join(f"{field}={','.join(v)}" for field, v in varied.items())
